//! Looking into a JSON text that was checked.
//!
//! A payload may be large, and what is wanted of it is a few words. A view is one walk over the text, the same one that
//! checks its limits; it builds no tree and parses only what is asked for.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::json::{self, JsonFault, MEMBERS_MAX};

/// An object, one level deep: its members in order, each as its text. What is no object looks like an empty one.
#[derive(Debug, Default)]
pub struct View<'a> {
    members: Vec<Member<'a>>,
}

#[derive(Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    value: &'a str,
    /// How many commas stand one level below it.
    commas: usize,
}

/// Checks a whole JSON text as [`json::check`] does, and looks into it on the way.
pub fn check(text: &str) -> Result<(&RawValue, View<'_>), JsonFault> {
    let view = View::walk(text)?;
    Ok((json::check_grammar(text)?, view))
}

impl<'a> View<'a> {
    /// Looks into a text that was checked.
    pub fn of(text: &'a str) -> Self {
        Self::walk(text).unwrap_or_default()
    }

    fn walk(text: &'a str) -> Result<Self, JsonFault> {
        let mut members = Vec::new();
        json::walk(text, json::MAX_DEPTH, |name, value, commas| {
            if members.len() <= MEMBERS_MAX {
                members.push(Member {
                    name: unquoted(name),
                    value,
                    commas,
                });
            }
        })?;
        if members.len() > MEMBERS_MAX {
            members.clear();
        }
        Ok(Self { members })
    }

    fn member(&self, name: &str) -> Option<&Member<'a>> {
        self.members.iter().rfind(|member| member.name == name)
    }

    /// A member's text; the last one of a name that is there twice, as most readers of the same text take it.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        Some(self.member(name)?.value)
    }

    /// A member that is a string.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// A member that is an object.
    pub fn object(&self, name: &str) -> Option<View<'a>> {
        let value = self.get(name)?;
        value.starts_with('{').then(|| Self::of(value))
    }

    /// A member that is an integer.
    pub fn integer(&self, name: &str) -> Option<i64> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// Whether a member is `true`.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// How many elements a member has that is an array.
    pub fn count(&self, name: &str) -> Option<usize> {
        let member = self.member(name)?;
        let inside = member.value.strip_prefix('[')?.strip_suffix(']')?;
        match inside.trim_ascii().is_empty() {
            true => Some(0),
            false => Some(member.commas + 1),
        }
    }
}

/// What a quoted name says; a piece of the text itself, where nothing in it is escaped.
fn unquoted(name: &str) -> Cow<'_, str> {
    let inside = name.get(1..name.len().saturating_sub(1));
    match inside {
        Some(inside) if !inside.contains('\\') => Cow::Borrowed(inside),
        _ => Cow::Owned(serde_json::from_str(name).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::made_up;
    use super::*;

    #[test]
    fn members_are_found_however_the_text_is_spaced() {
        let text = "\t{ \"a\" : [ ] ,\"b\\u0041\":{\"x\":[1,2]} , \"c\": \"}\" ,\"d\":[ 1 , [2,3], {\"y\":0,\"z\":0} ] }\n";
        let view = check(text).unwrap().1;
        assert_eq!(view.count("a"), Some(0));
        assert_eq!(view.get("bA"), Some(r#"{"x":[1,2]}"#));
        assert_eq!(view.object("bA").unwrap().count("x"), Some(2));
        assert_eq!(view.text("c").as_deref(), Some("}"));
        assert_eq!(view.count("d"), Some(3));
        assert_eq!(view.count("c"), None);
        assert_eq!(view.get("x"), None);
    }

    #[test]
    fn of_two_members_with_one_name_the_last_one_counts() {
        assert_eq!(View::of(r#"{"a":1,"a":2}"#).integer("a"), Some(2));
    }

    #[test]
    fn an_object_of_too_many_members_is_not_looked_into() {
        let object = |count: usize| {
            let members: Vec<String> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(View::of(&object(MEMBERS_MAX)).get("0").is_some());
        assert!(View::of(&object(MEMBERS_MAX + 1)).get("0").is_none());
    }

    proptest! {
        #[test]
        fn members_are_what_others_find(value in made_up::value(), pretty: bool) {
            let text = match pretty {
                true => serde_json::to_string_pretty(&value).unwrap(),
                false => value.to_string(),
            };
            let (raw, view) = check(&text).unwrap();
            prop_assert_eq!(raw.get(), text.as_str());
            let members = value.as_object().cloned().unwrap_or_default();
            prop_assert_eq!(view.members.len(), members.len());
            for (name, member) in &members {
                let same = match pretty {
                    true => serde_json::to_string_pretty(member).unwrap(),
                    false => member.to_string(),
                };
                let same = json::compact(&same);
                prop_assert_eq!(json::compact(view.get(name).unwrap()), same);
                prop_assert_eq!(view.text(name), member.as_str().map(str::to_owned));
                prop_assert_eq!(view.integer(name), member.as_i64());
                prop_assert_eq!(view.is_true(name), *member == Value::Bool(true));
                prop_assert_eq!(view.count(name), member.as_array().map(Vec::len));
                prop_assert_eq!(view.object(name).is_some(), member.is_object());
            }
        }

        #[test]
        fn no_text_makes_a_view_panic(text in "[\\[\\]{}\",: \\\\ua0-9é-]{0,40}") {
            let view = View::of(&text);
            for name in ["", "a"] {
                let _ = (view.text(name), view.count(name), view.object(name).is_some());
            }
        }
    }
}
