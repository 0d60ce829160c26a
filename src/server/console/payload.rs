//! An event as people read it: indented, and no longer than a page can be.
//!
//! What stands in it stays as it was sent: only space between values is added, so that no number or escape changes.

use super::html::Html;

/// How much is shown, in bytes of the indented text.
const SHOWN_MAX_BYTES: usize = 64 * 1024;

/// How far a level is indented, in spaces; deeper ones than [`DEPTH_SHOWN_MAX`] are not indented further.
const INDENT: usize = 2;
const DEPTH_SHOWN_MAX: usize = 20;

/// The text of a stored event.
pub(super) fn shown(json: &str) -> Html {
    let (lines, is_cut) = lines(json);
    let mut html = Html::of("<pre tabindex=\"0\" aria-label=\"Event\"><code>", &[]);
    for line in &lines {
        html.add("{}\n", &[line]);
    }
    html.add("</code></pre>", &[]);
    if is_cut {
        let length = json.len();
        html.add(
            "<p>Only the beginning is shown; the event has {} bytes. <code>kite federation dead-letters show</code> has all \
             of it.</p>",
            &[&length],
        );
    }
    html
}

/// The lines of a JSON text, and whether there would be more.
fn lines(json: &str) -> (Vec<String>, bool) {
    let mut lines = vec![String::new()];
    let (mut depth, mut bytes) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if bytes > SHOWN_MAX_BYTES {
            return (lines, true);
        }
        if !in_string && c.is_ascii_whitespace() {
            continue;
        }
        let is_empty = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, end: char| {
            while chars.next_if(char::is_ascii_whitespace).is_some() {}
            chars.peek() == Some(&end)
        };
        if !in_string && matches!(c, '}' | ']') {
            depth = depth.saturating_sub(1);
            bytes += begin_line(&mut lines, depth);
        }
        let Some(line) = lines.last_mut() else { break };
        line.push(c);
        bytes += c.len_utf8();
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => in_string = true,
            ':' => line.push(' '),
            ',' => bytes += begin_line(&mut lines, depth),
            '{' | '[' => {
                let end = if c == '{' { '}' } else { ']' };
                if is_empty(&mut chars, end) {
                    chars.next();
                    line.push(end);
                } else {
                    depth += 1;
                    bytes += begin_line(&mut lines, depth);
                }
            }
            _ => {}
        }
    }
    (lines, false)
}

fn begin_line(lines: &mut Vec<String>, depth: usize) -> usize {
    let indent = depth.min(DEPTH_SHOWN_MAX) * INDENT;
    lines.push(" ".repeat(indent));
    indent + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text_and_get_lines_of_their_own() {
        let json = r#"{"n":1.0e400, "s":"a\"{,\\","e":{ },"l":[1,[ ]]}"#;
        let (lines, is_cut) = lines(json);
        let expected = [
            "{",
            "  \"n\": 1.0e400,",
            r#"  "s": "a\"{,\\","#,
            "  \"e\": {},",
            "  \"l\": [",
            "    1,",
            "    []",
            "  ]",
            "}",
        ];
        assert_eq!(
            (lines, is_cut),
            (expected.map(str::to_owned).to_vec(), false)
        );
    }

    #[test]
    fn no_payload_makes_a_page_too_long() {
        for json in [
            format!("[{}1]", "1,".repeat(1_000_000)),
            "[".repeat(120) + &"[1],".repeat(500_000),
        ] {
            let (lines, is_cut) = lines(&json);
            let shown: usize = lines.iter().map(|line| line.len() + 1).sum();
            assert!(is_cut && shown < 2 * SHOWN_MAX_BYTES, "{shown}");
        }
        let text = shown(&format!("\"{}\"", "<".repeat(1_000_000))).into_text();
        assert!(text.len() < 8 * SHOWN_MAX_BYTES && text.contains("1000002 bytes"));
    }
}
