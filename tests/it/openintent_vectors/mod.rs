//! OpenIntent's golden files. `KITE_OPENINTENT_VECTORS` names another folder of the same form.

use std::path::PathBuf;

use kite::openintent::json::Json;

mod sign;

fn file(name: &str) -> Json {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/openintent");
    let dir = std::env::var_os("KITE_OPENINTENT_VECTORS").unwrap_or_else(|| own.into());
    let path = PathBuf::from(dir).join(format!("{name}.json"));
    let bytes = std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    Json::read(&bytes).unwrap()
}

macro_rules! vectors {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                assert!(sign::run($name, &file($name)));
            }
        )*
    };
}

vectors! {
    openintent_vectors_of_canonical_bytes: "canonical",
    openintent_vectors_of_envelope_signatures: "envelope_signatures",
    openintent_vectors_of_callback_signatures: "callback_signatures",
    openintent_vectors_of_did_web: "did_web",
    openintent_vectors_of_message_signatures: "message_signatures",
}
