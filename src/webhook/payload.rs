//! From a body to `data` (spec 10).

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use serde_json::value::{RawValue, to_raw_value};

use crate::protocol::event::{Data, is_attribute};
use crate::protocol::json::{self, JsonFault};
use crate::protocol::view::{self, View};

const JSON: &str = "application/json";

/// The media type of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// A body as an event carries it.
pub(super) struct Payload<'a> {
    pub(super) data: Option<Data>,
    pub(super) datacontenttype: Option<String>,
    /// Whether the text of `data` is byte for byte the body, or its bytes can be had from it.
    pub(super) is_verbatim: bool,
    /// A view of the body, where one was had on the way.
    pub(super) view: Option<View<'a>>,
}

impl Payload<'_> {
    /// The text of a JSON payload.
    pub(super) fn json(&self) -> Option<&str> {
        match &self.data {
            Some(Data::Json(data)) => Some(data.get()),
            _ => None,
        }
    }
}

/// Reads a body by what its `Content-Type` declares. Without one, JSON is recognised by its grammar.
pub(super) fn read<'a>(
    content_type: Option<&str>,
    body: &'a [u8],
) -> Result<Payload<'a>, JsonFault> {
    let media_type = media_type(content_type);
    // A header may hold more than an attribute: a tab, for one.
    let own = || {
        content_type
            .filter(|text| is_attribute(text))
            .map(str::to_owned)
    };
    if is_json(&media_type) {
        return match body {
            [] => Ok(empty(Some(JSON.to_owned()))),
            body => json_payload(body),
        };
    }
    if media_type == FORM {
        return form(body);
    }
    if body.is_empty() {
        return Ok(empty(own()));
    }
    if media_type.is_empty()
        && let Ok(payload) = json_payload(body)
    {
        return Ok(payload);
    }
    let text = std::str::from_utf8(body)
        .ok()
        .filter(|_| is_text(&media_type));
    Ok(match text {
        Some(text) => Payload {
            data: to_raw_value(text).ok().map(Data::Json),
            datacontenttype: own(),
            is_verbatim: false,
            view: None,
        },
        None => Payload {
            data: Some(Data::Base64(
                base64::engine::general_purpose::STANDARD.encode(body),
            )),
            datacontenttype: own(),
            is_verbatim: true,
            view: None,
        },
    })
}

/// The type that a `Content-Type` names, without its parameters, in lower case.
pub(super) fn media_type(content_type: Option<&str>) -> String {
    let media_type = content_type.and_then(|text| text.split(';').next());
    media_type.unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == JSON || media_type == "text/json" || media_type.ends_with("+json")
}

fn is_text(media_type: &str) -> bool {
    media_type.is_empty()
        || media_type.starts_with("text/")
        || media_type == "application/xml"
        || media_type.ends_with("+xml")
}

fn empty(datacontenttype: Option<String>) -> Payload<'static> {
    Payload {
        data: Some(Data::Json(RawValue::NULL.to_owned())),
        datacontenttype,
        is_verbatim: false,
        view: None,
    }
}

fn json_payload(body: &[u8]) -> Result<Payload<'_>, JsonFault> {
    let (raw, view) = view::check(json::text(body)?)?;
    Ok(Payload {
        is_verbatim: raw.get().len() == body.len(),
        data: Some(Data::Json(raw.to_owned())),
        datacontenttype: Some(JSON.to_owned()),
        view: Some(view),
    })
}

/// How many fields a form may have: what is kept of each is much larger than what it takes to send one.
const FIELDS_MAX: usize = 10_000;

/// A field of a form: its name and what was given for it.
type Field<'a> = (Cow<'a, str>, Vec<Cow<'a, str>>);

/// A form as an object of strings; a repeated name becomes an array. Order is that of the first appearance.
fn form(body: &[u8]) -> Result<Payload<'_>, JsonFault> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut places = HashMap::new();
    for (count, (name, value)) in url::form_urlencoded::parse(body).enumerate() {
        if count == FIELDS_MAX {
            return Err(JsonFault::TooManyFields(FIELDS_MAX));
        }
        let place = *places.entry(name.clone()).or_insert(fields.len());
        match fields.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    Ok(Payload {
        data: Some(match body {
            [] => Data::Json(RawValue::NULL.to_owned()),
            _ => form_object(&fields),
        }),
        datacontenttype: Some(JSON.to_owned()),
        is_verbatim: false,
        view: None,
    })
}

fn form_object(fields: &[Field<'_>]) -> Data {
    let json = |text: &Cow<'_, str>| serde_json::to_string(text).unwrap_or_default();
    let member = |(name, values): &Field<'_>| {
        let values: Vec<String> = values.iter().map(json).collect();
        let value = match values.as_slice() {
            [value] => value.clone(),
            values => format!("[{}]", values.join(",")),
        };
        format!("{}:{value}", json(name))
    };
    let members: Vec<String> = fields.iter().map(member).collect();
    let text = format!("{{{}}}", members.join(","));
    // Made of JSON strings: it always parses.
    Data::Json(RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::protocol::made_up;

    fn data(content_type: Option<&str>, body: &[u8]) -> (String, bool) {
        let payload = read(content_type, body).unwrap();
        let text = match payload.data {
            Some(Data::Json(data)) => data.get().to_owned(),
            Some(Data::Base64(data)) => format!("base64 {data}"),
            None => String::new(),
        };
        (text, payload.is_verbatim)
    }

    #[test]
    fn json_stays_as_it_is_and_white_space_round_it_is_told() {
        let body = br#"{"b": 1.0, "a": 1e2}"#;
        assert_eq!(
            data(Some("application/json"), body),
            (r#"{"b": 1.0, "a": 1e2}"#.to_owned(), true)
        );
        assert_eq!(
            data(Some("application/vnd.x+json; a=b"), b" [1]\n"),
            ("[1]".to_owned(), false)
        );
        assert_eq!(data(None, b"[1]"), ("[1]".to_owned(), true));
    }

    #[test]
    fn other_bodies_become_text_or_base64() {
        assert_eq!(
            data(Some("text/plain"), b"a\"b"),
            (r#""a\"b""#.to_owned(), false)
        );
        assert_eq!(
            data(Some("text/plain"), b"\xff"),
            ("base64 /w==".to_owned(), true)
        );
        assert_eq!(
            data(Some("application/octet-stream"), b"hi"),
            ("base64 aGk=".to_owned(), true)
        );
        assert_eq!(data(None, b"hi"), (r#""hi""#.to_owned(), false));
        assert_eq!(data(Some("text/plain"), b""), ("null".to_owned(), false));
    }

    #[test]
    fn a_form_becomes_an_object_in_its_own_order() {
        let form = Some("application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(
            data(form, b"z=1&a=%C3%A9+x&z=2").0,
            r#"{"z":["1","2"],"a":"é x"}"#
        );
    }

    #[test]
    fn a_form_has_so_many_fields_and_no_more() {
        let form = |count: usize| (0..count).map(|n| format!("{n:x}&")).collect::<String>();
        let (text, _) = data(Some(FORM), form(FIELDS_MAX).as_bytes());
        assert!(text.starts_with(r#"{"0":"","1":"","2":"""#), "{text:.99}");
        assert!(text.ends_with(r#""270f":""}"#), "{text}");
        let more = form(FIELDS_MAX + 1);
        let more = read(Some(FORM), more.as_bytes());
        assert_eq!(more.err(), Some(JsonFault::TooManyFields(FIELDS_MAX)));
    }

    #[test]
    fn a_content_type_that_no_attribute_can_hold_is_left_out() {
        for kind in ["text/plain;\tx", "text/plain;\u{85}", ""] {
            let payload = read(Some(kind), b"hello").unwrap();
            assert_eq!(payload.datacontenttype, None, "{kind:?}");
        }
    }

    #[test]
    fn what_is_declared_json_and_is_not_is_refused() {
        for body in [&b"{\"a\":"[..], b"\xff", b"nope", b"[1e400]"] {
            assert!(read(Some("application/json"), body).is_err());
        }
    }

    #[test]
    fn a_declared_type_that_no_attribute_can_be_is_left_out() {
        let type_of = |declared: &str| read(Some(declared), b"x").unwrap().datacontenttype;
        assert_eq!(type_of("text/plain; a=b").unwrap(), "text/plain; a=b");
        assert_eq!(type_of("text/plain;\ta=b"), None);
        assert_eq!(
            type_of(&format!("text/plain; a={}", "b".repeat(5000))),
            None
        );
    }

    fn pairs(form: &[u8]) -> Vec<(String, String)> {
        url::form_urlencoded::parse(form).into_owned().collect()
    }

    proptest! {
        #[test]
        fn every_body_becomes_a_payload_that_says_the_same(
            declared in proptest::option::of("text/plain|text/é|application/(json|x\\+json|octet-stream|x-www-form-urlencoded)(;\\PC{0,5})?|\\PC{0,9}"),
            body in prop_oneof![
                made_up::json().prop_map(String::into_bytes),
                vec(any::<u8>(), 0..30),
            ],
        ) {
            let Ok(payload) = read(declared.as_deref(), &body) else {
                prop_assert!(is_json(&media_type(declared.as_deref())));
                return Ok(());
            };
            match payload.data.unwrap() {
                Data::Base64(text) => {
                    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
                    prop_assert_eq!(bytes, body);
                }
                Data::Json(data) => {
                    prop_assert!(json::check(data.get()).is_ok());
                    prop_assert!(!payload.is_verbatim || data.get().as_bytes() == body);
                }
            }
        }

        #[test]
        fn text_survives(text in "\\PC{1,20}|[a\r\n\u{0}\u{9f}\"\\\\]{1,9}") {
            let payload = read(Some("text/plain; charset=utf-8"), text.as_bytes()).unwrap();
            let read: String = serde_json::from_str(payload.json().unwrap()).unwrap();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn a_form_keeps_every_field_in_its_place(body in "([a-c]?=?[a-z+%0-9é]{0,4}&){0,8}") {
            let payload = read(Some(FORM), body.as_bytes()).unwrap();
            let object: Map<String, Value> = match payload.json().unwrap() {
                "null" => Map::new(),
                text => serde_json::from_str(text).unwrap(),
            };
            let texts = |value: &Value| match value {
                Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            };
            let fields = object.iter().flat_map(|(name, value)| {
                texts(value).into_iter().map(move |value| (name.clone(), value.as_str().unwrap().to_owned()))
            });
            let given = pairs(body.as_bytes());
            let mut first: Vec<&String> = Vec::new();
            for (name, _) in &given {
                if !first.contains(&name) {
                    first.push(name);
                }
            }
            let sorted: Vec<_> = first
                .iter()
                .flat_map(|name| given.iter().filter(move |(given, _)| given == *name).cloned())
                .collect();
            prop_assert_eq!(fields.collect::<Vec<_>>(), sorted);
        }
    }
}
