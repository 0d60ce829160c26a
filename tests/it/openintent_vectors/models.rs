//! Vectors of the models and their words (spec 2, 3).

use std::fmt::Debug;

use kite::openintent::json::Json;
use kite::openintent::model::{
    AgentVisibility, CallbackEventType, DelegationScope, DispatchResult, DispatchStatus,
    FederatedAgent, FederationAttestation, FederationCallback, FederationEnvelope,
    FederationManifest, FederationPolicy, FederationStatus, ModelFault, PeerInfo, PeerRelationship,
    ReceiveResult, TrustPolicy,
};

use super::file::{Tally, list, member, read, text_of};

#[test]
fn openintent_vectors_models() {
    let Some(file) = read("models", &["roundtrip", "constructed"]) else {
        return;
    };
    let mut tally = Tally::of("models");
    tally.run("roundtrip", list(&file, "roundtrip"), |case| {
        let written = roundtrip(text_of(case, "model"), member(case, "input"));
        let required = member(case, "required");
        match required.get("raises") {
            Some(_) => assert!(written.is_err(), "{written:?}"),
            None => assert_eq!(written.as_ref(), Ok(required)),
        }
    });
    tally.run("constructed", list(&file, "constructed"), |case| {
        let built = constructed(text_of(case, "model"));
        assert_eq!(&built, member(case, "wire"));
    });
    tally.finish();
}

fn roundtrip(model: &str, input: &Json) -> Result<Json, ModelFault> {
    Ok(match model {
        "DelegationScope" => DelegationScope::from_json(input)?.to_json(),
        "FederationPolicy" => FederationPolicy::from_json(input)?.to_json(),
        "FederationAttestation" => FederationAttestation::from_json(input)?.to_json(),
        "FederationEnvelope" => FederationEnvelope::from_json(input)?.to_json(),
        "FederationCallback" => FederationCallback::from_json(input)?.to_json(),
        "PeerInfo" => PeerInfo::from_json(input)?.to_json(),
        "FederationManifest" => FederationManifest::from_json(input)?.to_json(),
        "FederationStatus" => FederationStatus::from_json(input)?.to_json(),
        "DispatchResult" => DispatchResult::from_json(input)?.to_json(),
        "ReceiveResult" => ReceiveResult::from_json(input)?.to_json(),
        "FederatedAgent" => FederatedAgent::from_json(input)?.to_json(),
        other => panic!("there is no model `{other}`"),
    })
}

/// Each model with nothing but what it must have: those texts are the vectors' own.
fn constructed(model: &str) -> Json {
    match model {
        "DelegationScope" => DelegationScope::default().to_json(),
        "FederationPolicy" => FederationPolicy::default().to_json(),
        "FederationAttestation" => FederationAttestation {
            dispatch_id: "d".to_owned(),
            ..FederationAttestation::default()
        }
        .to_json(),
        "FederationEnvelope" => FederationEnvelope {
            dispatch_id: "d".to_owned(),
            source_server: "s".to_owned(),
            target_server: "t".to_owned(),
            intent_id: "i".to_owned(),
            intent_title: "title".to_owned(),
            ..FederationEnvelope::default()
        }
        .to_json(),
        "FederationCallback" => FederationCallback {
            dispatch_id: "d".to_owned(),
            event_type: CallbackEventType::Attestation,
            ..FederationCallback::default()
        }
        .to_json(),
        "PeerInfo" => PeerInfo {
            server_url: "https://p.example.com".to_owned(),
            ..PeerInfo::default()
        }
        .to_json(),
        "FederationManifest" => FederationManifest::new("did:web:a", "https://a").to_json(),
        "FederationStatus" => FederationStatus::default().to_json(),
        "DispatchResult" => DispatchResult {
            dispatch_id: "d".to_owned(),
            target_server: "https://b".to_owned(),
            ..DispatchResult::default()
        }
        .to_json(),
        "ReceiveResult" => ReceiveResult {
            dispatch_id: "d".to_owned(),
            ..ReceiveResult::default()
        }
        .to_json(),
        "FederatedAgent" => FederatedAgent {
            agent_id: "a".to_owned(),
            server_url: "https://a".to_owned(),
            ..FederatedAgent::default()
        }
        .to_json(),
        other => panic!("there is no model `{other}`"),
    }
}

#[test]
fn openintent_vectors_enums() {
    let Some(file) = read("enums", &["enums"]) else {
        return;
    };
    let mut tally = Tally::of("enums");
    for (name, words) in member(&file, "enums").as_object().unwrap() {
        tally.case(name, || check_enum(name, words));
    }
    tally.finish();
}

fn check_enum(name: &str, words: &Json) {
    match name {
        "AgentVisibility" => check(words, AgentVisibility::ALL, AgentVisibility::of, |it| {
            it.word()
        }),
        "PeerRelationship" => check(words, PeerRelationship::ALL, PeerRelationship::of, |it| {
            it.word()
        }),
        "TrustPolicy" => check(words, TrustPolicy::ALL, TrustPolicy::of, |it| it.word()),
        "CallbackEventType" => check(words, CallbackEventType::ALL, CallbackEventType::of, |it| {
            it.word()
        }),
        "DispatchStatus" => check(words, DispatchStatus::ALL, DispatchStatus::of, |it| {
            it.word()
        }),
        // What a server of the reference writes into its own log never travels.
        "EventType (federation part)" => {}
        other => panic!("there is no enum `{other}`"),
    }
}

/// The words are the same ones, each with the value of its name, and in no other spelling.
fn check<T: Copy + Debug + PartialEq>(
    words: &Json,
    all: &[T],
    of: fn(&str) -> Option<T>,
    word: fn(T) -> &'static str,
) {
    let words = words.as_object().unwrap();
    assert_eq!(words.len(), all.len());
    for (name, expected) in words {
        let expected = expected.as_str().unwrap();
        let value = of(expected).unwrap_or_else(|| panic!("`{expected}` is no word"));
        assert_eq!(word(value), expected);
        let same_name = format!("{value:?}").to_uppercase() == name.replace('_', "");
        assert!(same_name, "{name} is {value:?}");
        assert_eq!(of(&expected.to_uppercase()), None);
    }
}
