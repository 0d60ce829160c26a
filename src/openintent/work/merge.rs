//! Changes of a state: JSON merge patches (RFC 7396).

use crate::openintent::json::{Json, Object};

/// Changes an object by a merge patch: members that are null go, objects are merged, all else is replaced.
///
/// ```
/// use kite::openintent::json::{Json, Object};
/// use kite::openintent::work::merge::patch;
///
/// let read = |text: &str| -> Object { text.parse::<Json>().unwrap().as_object().unwrap().clone() };
/// let mut state = read(r#"{"rows": 5, "source": {"name": "a", "old": true}}"#);
/// patch(&mut state, &read(r#"{"rows": 7, "source": {"old": null}}"#));
/// assert_eq!(state, read(r#"{"rows": 7, "source": {"name": "a"}}"#));
/// ```
pub fn patch(target: &mut Object, patch: &Object) {
    for (name, value) in patch {
        match value {
            Json::Null => {
                target.remove(name);
            }
            Json::Object(by) => within(target, name, |inner| self::patch(inner, by)),
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

/// The merge patch that does what a first and then another one do. Nulls are kept: they take away from what it is applied to.
///
/// One thing no merge patch can say, so neither can this one: that a member is to be an object *instead* of what it was.
/// Where `first` takes a member away and `then` makes it an object, it is merged into the object that it was. To what both
/// were applied to, it does nothing more.
pub fn compose(first: &Object, then: &Object) -> Object {
    let mut composed = first.clone();
    lay(&mut composed, then);
    composed
}

/// As [`patch`], of a patch: what goes is not left out but said.
fn lay(first: &mut Object, then: &Object) {
    for (name, value) in then {
        match value {
            Json::Object(by) => within(first, name, |inner| lay(inner, by)),
            other => {
                first.insert(name.clone(), other.clone());
            }
        }
    }
}

/// Changes the object that a member is, an empty one where it is none.
fn within(object: &mut Object, name: &str, change: impl FnOnce(&mut Object)) {
    let mut inner = match object.remove(name) {
        Some(Json::Object(inner)) => inner,
        _ => Object::new(),
    };
    change(&mut inner);
    object.insert(name.to_owned(), Json::Object(inner));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(text: &str) -> Object {
        text.parse::<Json>().unwrap().as_object().unwrap().clone()
    }

    fn patched(target: &str, by: &str) -> Json {
        let mut target = Json::Object(object(target));
        if let Json::Object(target) = &mut target {
            patch(target, &object(by));
        }
        target
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (target, by, after) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(patched(target, by), Json::Object(object(after)), "{by}");
        }
    }

    #[test]
    fn numbers_keep_their_form() {
        let after = patched("{}", r#"{"rows":100000000000000000000,"share":1.0}"#);
        let text = r#"{"rows":100000000000000000000,"share":1.0}"#;
        assert_eq!(after.to_string(), text);
    }

    #[test]
    fn a_composed_patch_says_what_goes() {
        let composed = compose(
            &object(r#"{"a":{"x":1},"b":2}"#),
            &object(r#"{"a":{"x":null},"b":null,"c":3}"#),
        );
        assert_eq!(composed, object(r#"{"a":{"x":null},"b":null,"c":3}"#));
    }

    /// Objects of few names, so that they meet.
    fn any_object() -> impl Strategy<Value = Object> {
        let leaf = prop_oneof![
            Just(Json::Null),
            (0..4i64).prop_map(Json::from),
            Just(Json::Array(vec![Json::Null])),
        ];
        let value = leaf.prop_recursive(3, 24, 3, |inner| {
            prop::collection::btree_map("[abc]", inner, 0..3).prop_map(Json::Object)
        });
        prop::collection::btree_map("[abc]", value, 0..3)
    }

    /// The same, where a name says whether its member is an object, and no object goes.
    fn typed_object() -> impl Strategy<Value = Object> {
        let leaf = prop_oneof![Just(Json::Null), (0..4i64).prop_map(Json::from)];
        let leaves = || prop::collection::btree_map("[ab]", leaf.clone(), 0..3);
        let inner = leaves().prop_map(Json::Object);
        (leaves(), prop::collection::btree_map("[xy]", inner, 0..3)).prop_map(|(mut all, inner)| {
            all.extend(inner);
            all
        })
    }

    fn both(mut target: Object, first: &Object, then: &Object) -> Object {
        patch(&mut target, first);
        patch(&mut target, then);
        target
    }

    proptest! {
        #[test]
        fn one_composed_patch_does_what_two_do(
            target in typed_object(), first in typed_object(), then in typed_object(),
        ) {
            let mut at_once = target.clone();
            patch(&mut at_once, &compose(&first, &then));
            prop_assert_eq!(at_once, both(target, &first, &then));
        }

        #[test]
        fn on_nothing_it_does_what_two_do_whatever_they_are(
            first in any_object(), then in any_object(),
        ) {
            let mut at_once = Object::new();
            patch(&mut at_once, &compose(&first, &then));
            prop_assert_eq!(at_once, both(Object::new(), &first, &then));
        }

        #[test]
        fn behind_both_it_changes_nothing(
            target in any_object(), first in any_object(), then in any_object(),
        ) {
            let after = both(target, &first, &then);
            let mut again = after.clone();
            patch(&mut again, &compose(&first, &then));
            prop_assert_eq!(again, after);
        }

        /// As far as what no merge patch can say does not come in: an object instead of what was there.
        #[test]
        fn composing_is_associative(
            first in typed_object(), then in typed_object(), last in typed_object(),
        ) {
            let left = compose(&compose(&first, &then), &last);
            prop_assert_eq!(left, compose(&first, &compose(&then, &last)));
        }
    }
}
