//! What was used, as flags: `--usage llm_tokens=120,cost_usd=0.02`.

use crate::openintent::json::{Json, Object};

/// One member of what was used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Used {
    name: String,
    number: Json,
}

/// Reads NAME=NUMBER. A number stays as it was written: an integer is none with a point.
pub(super) fn used(text: &str) -> Result<Used, String> {
    let wanted = || "use NAME=NUMBER, such as llm_tokens=120 or cost_usd=0.02".to_owned();
    let (name, number) = text.split_once('=').ok_or_else(wanted)?;
    let (name, number) = (name.trim(), number.trim());
    if name.is_empty() {
        return Err(wanted());
    }
    let number: Json = number.parse().map_err(|_| wanted())?;
    match number.as_f64() {
        Some(used) if used >= 0.0 => Ok(Used {
            name: name.to_owned(),
            number,
        }),
        Some(_) => Err("what was used cannot be less than 0".to_owned()),
        None => Err(wanted()),
    }
}

/// All that was used; a name can be given once.
pub(super) fn sum(used: Vec<Used>) -> Result<Object, String> {
    let mut all = Object::new();
    for Used { name, number } in used {
        if all.contains_key(&name) {
            return Err(format!("`{name}` is given twice"));
        }
        all.insert(name, number);
    }
    Ok(all)
}

/// What was used, in words.
pub(super) fn words(usage: &Object) -> String {
    let members: Vec<String> = usage
        .iter()
        .map(|(name, number)| format!("{name}={number}"))
        .collect();
    members.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_were_written() {
        let texts = ["llm_tokens=120", " cost_usd = 0.020", "calls=0"];
        let all = sum(texts.map(|text| used(text).unwrap()).to_vec()).unwrap();
        let wanted = r#"{"calls":0,"cost_usd":0.02,"llm_tokens":120}"#;
        assert_eq!(Json::from(all.clone()).to_string(), wanted);
        assert_eq!(words(&all), "calls=0, cost_usd=0.02, llm_tokens=120");
    }

    #[test]
    fn what_is_no_number_or_less_than_nothing_is_refused() {
        for bad in [
            "", "a", "=1", "a=", "a=x", "a=-1", "a=true", "a=\"1\"", "a=NaN", "a=1e999", "a=[1]",
        ] {
            assert!(used(bad).is_err(), "{bad}");
        }
        let twice = vec![used("a=1").unwrap(), used("a=2").unwrap()];
        assert!(sum(twice).unwrap_err().contains("`a`"));
    }
}
