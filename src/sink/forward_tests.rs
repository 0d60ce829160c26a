//! What another instance gets, and what its answers mean.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// An instance that gives these answers, one for each connection, and none for an empty one.
async fn instance(answers: Vec<&'static str>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut chunk = [0; 4096];
            let _ = stream.read(&mut chunk).await.unwrap();
            let head = format!(
                "HTTP/1.1 {answer}\r\nlocation: /elsewhere\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            match answer.is_empty() {
                true => kept.push(stream),
                false => stream.write_all(head.as_bytes()).await.unwrap(),
            }
        }
        std::future::pending::<()>().await;
    });
    format!("http://{address}/hooks/t/kite").parse().unwrap()
}

fn forward(target: Url) -> Forward {
    let own_id = "laptop".parse().unwrap();
    Forward::new(target, own_id, Secret::from("token".to_owned()), None).unwrap()
}

fn item(members: &str) -> Item {
    let text = format!(r#"{{"specversion":"1.0","id":"i","source":"s","type":"t"{members}}}"#);
    Item::read(1, "t".to_owned(), text).unwrap()
}

fn nowhere() -> Url {
    "http://127.0.0.1:1/".parse().unwrap()
}

#[tokio::test]
async fn what_need_not_or_cannot_go_on_is_not_sent() {
    let sink = forward(nowhere());
    for members in [
        r#","kitefedchain":"[\"laptop\"]","kitefedhops":1"#,
        r#","kitefedchain":"[\"a\",\"b\",\"c\"]","kitefedhops":1"#,
        r#","kitefedhops":3"#,
    ] {
        let outcome = sink.deliver(&item(members)).await;
        assert!(matches!(outcome, Outcome::Skipped(_)), "{members}");
    }
    for members in [r#","kitefedchain":"laptop""#, r#","kitefedhops":-1"#] {
        let outcome = sink.deliver(&item(members)).await;
        assert!(matches!(outcome, Outcome::Hopeless(_)), "{members}");
    }
    let outcome = sink.deliver(&item("")).await;
    assert!(matches!(outcome, Outcome::Unreachable(_)), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_takes_holds_or_refuses() {
    let sink = forward(
        instance(vec![
            "202 Accepted",
            "429 Slow",
            "503 Away",
            "400 Bad",
            "307 There",
            "401 No",
            "404 Nobody",
        ])
        .await,
    );
    let mut words = Vec::new();
    for _ in 0..7 {
        words.push(match sink.deliver(&item("")).await {
            Outcome::Delivered => "taken",
            Outcome::Unreachable(_) => "held",
            Outcome::Refused(_) => "refused",
            other => panic!("{other:?}"),
        });
    }
    let expected = [
        "taken", "held", "held", "refused", "refused", "held", "held",
    ];
    assert_eq!(words, expected);
}

#[tokio::test]
async fn an_instance_that_does_not_answer_is_not_waited_for_for_ever() {
    let mut sink = forward(instance(vec![""]).await);
    sink.client = http::client(false, None, Duration::from_millis(50)).unwrap();
    let outcome = sink.deliver(&item("")).await;
    assert!(matches!(outcome, Outcome::Unreachable(_)), "{outcome:?}");
}

#[tokio::test]
async fn the_first_delivery_after_a_while_without_one_is_a_sign_of_life() {
    let begin = Instant::now();
    let revival = Revival::new(begin);
    let mut sign = Box::pin(revival.back.notified());
    assert!(!sign.as_mut().enable());
    revival.delivered(begin);
    revival.delivered(begin + QUIET / 2);
    assert!(!sign.as_mut().enable());
    revival.delivered(begin + QUIET * 2);
    assert!(sign.as_mut().enable());
}

#[test]
fn a_token_that_no_header_can_hold_is_refused_at_once() {
    let made = |token: &str| {
        let own_id = "laptop".parse().unwrap();
        Forward::new(nowhere(), own_id, Secret::from(token.to_owned()), None).err()
    };
    for (token, fault) in [("", TokenFault::Empty), ("a\nb", TokenFault::Characters)] {
        assert!(matches!(made(token), Some(MakeFault::FederationToken(found)) if found == fault));
    }
    assert!(made("ok").is_none());
}
