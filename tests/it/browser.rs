//! The page of the device login in a real Chromium.

use crate::support::cli::Person;
use crate::support::login::{Device, approve, expire, waiting};
use crate::support::server::Server;
use crate::support::webdriver::{Browser, DOWN, ENTER, TAB};

/// The page that a code leads to.
fn address(server: &Server, code: &str) -> String {
    format!("{}/activate?code={code}", server.url())
}

/// Everything that the browser asked for is the server's, and nothing broke a rule of the page.
pub(crate) async fn stays_at_home(browser: &Browser, server: &Server) {
    let requests = browser.requests().await;
    assert!(!requests.is_empty(), "the browser's requests are seen");
    for url in &requests {
        assert!(
            url.starts_with(&format!("{}/", server.url())),
            "{requests:?}"
        );
    }
    let complaints = browser.complaints().await;
    let of_the_page = complaints.iter().filter(|complaint| {
        let words = complaint["message"].as_str().unwrap_or_default();
        // Chromium asks for an icon by itself; and it notes each refusal that the page means.
        let is_expected = [
            "/favicon.ico",
            "status of 401",
            "status of 404",
            "status of 409",
        ];
        !is_expected.iter().any(|part| words.contains(part))
    });
    let of_the_page: Vec<_> = of_the_page.collect();
    assert!(of_the_page.is_empty(), "{of_the_page:?}");
}

#[tokio::test]
async fn a_login_is_approved_with_the_keyboard_alone() {
    let server = Server::start();
    let (person, browser) = (Person::new(), Browser::start().await);
    let (process, code) = waiting(&person, server.url(), &["--no-browser"]);

    browser.open(&format!("{}/activate", server.url())).await;
    browser.has_focus("code").await;
    browser.press(code.to_lowercase().chars()).await;
    browser.press([ENTER]).await;
    for part in [&code, "127.0.0.1", "kite/"] {
        browser.sees(part).await;
    }

    // The key has to be typed in any case; the choices stand before it, the buttons behind.
    browser.has_focus("key").await;
    browser.go_back().await;
    browser.has_focus("expires").await;
    browser.press([DOWN]).await;
    browser.go_back().await;
    browser.has_focus("permissions").await;
    browser.press([DOWN, TAB, TAB]).await;
    browser.has_focus("key").await;
    browser.press(server.owner().key.chars()).await;
    for button in ["approve", "deny"] {
        browser.press([TAB]).await;
        browser.has_focus(button).await;
    }
    browser.go_back().await;
    browser.has_focus("approve").await;
    browser.press([ENTER]).await;
    browser.sees("Approved for the team default").await;
    stays_at_home(&browser, &server).await;

    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let status = person.kite(&["status", "--json"]).succeeds().json();
    assert_eq!(
        status["current_key_permissions"],
        serde_json::json!(["read"])
    );
    let keys = server.owner().get("/api/v1/keys").await.text;
    assert!(keys.contains("\"expires_at\":\""), "one day: {keys}");
}

#[tokio::test]
async fn wrong_expired_and_reused_codes_say_what_to_do() {
    let server = Server::start();
    let owner = server.owner();
    let browser = Browser::start().await;
    let (late, used) = (Device::begin(&owner).await, Device::begin(&owner).await);
    // One that expires while the page is open.
    browser.open(&address(&server, &late.user_code)).await;
    expire(&server, &late.user_code);
    browser.send_keys("#key", &owner.key).await;
    browser.click("button[value=approve]").await;
    browser.sees("No device waits under this code").await;
    approve(&owner, &used.user_code).await;
    for code in ["ABCD-2222", &late.user_code, &used.user_code] {
        browser.open(&format!("{}/activate", server.url())).await;
        browser.send_keys("#code", code).await;
        browser.click("button").await;
        browser.sees("No device waits under this code").await;
        browser.click("a").await;
        browser.sees("The code that the device shows").await;
    }
    stays_at_home(&browser, &server).await;
    assert_eq!(late.word().await, "expired_token");
}

#[tokio::test]
async fn a_wrong_key_can_be_corrected_and_a_login_denied() {
    let server = Server::start();
    let owner = server.owner();
    let browser = Browser::start().await;
    let device = Device::begin(&owner).await;
    browser.open(&address(&server, &device.user_code)).await;
    browser.click("#permissions option[value=read]").await;
    browser.click("#expires option[value='30']").await;
    browser.send_keys("#key", &format!("{}0", owner.key)).await;
    browser.click("button[value=approve]").await;
    browser.sees("That is no admin key of this server").await;
    assert_eq!(device.word().await, "authorization_pending");
    let chosen = "return [permissions.value, expires.value, key.value]";
    let chosen = browser.evaluate(chosen).await;
    assert_eq!(chosen, serde_json::json!(["read", "30", ""]), "kept");
    browser.send_keys("#key", &owner.key).await;
    browser.click("button[value=deny]").await;
    browser.sees("The device gets nothing").await;
    assert_eq!(device.word().await, "access_denied");
    stays_at_home(&browser, &server).await;
}

#[tokio::test]
async fn the_page_fits_a_narrow_screen() {
    let server = Server::start();
    let owner = server.owner();
    let browser = Browser::start().await;
    let device = Device::calling_itself(&owner, &"n".repeat(200)).await;
    let pages = [
        format!("{}/activate", server.url()),
        address(&server, "ABCD-2222"),
        address(&server, &device.user_code),
    ];
    browser.narrow(360).await;
    for (page, name) in pages.iter().zip(["code", "wrong", "decision"]) {
        browser.open(page).await;
        let widths = "return [innerWidth, document.scrollingElement.scrollWidth]";
        let widths = browser.evaluate(widths).await;
        assert_eq!(widths, serde_json::json!([360, 360]), "{page}");
        // For people who want to look at it.
        if let Some(dir) = std::env::var_os("KITE_SCREENSHOTS") {
            let file = std::path::Path::new(&dir).join(format!("{name}.png"));
            browser.screenshot(&file).await;
        }
    }
}
