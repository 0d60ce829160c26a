//! The page in a real Chromium.

use serde_json::{Value, json};

use super::{PAGES, Site, note};
use crate::browser::stays_at_home;
use crate::support::http::Access;
use crate::support::instance::{Instance, UNLIMITED, link};
use crate::support::webdriver::{Browser, ENTER};

/// Signs in with the keyboard.
async fn sign_in(browser: &Browser, access: &Access) {
    browser.open(&format!("{}/console", access.url)).await;
    browser.has_focus("key").await;
    browser.press(access.key.chars()).await;
    browser.press([ENTER]).await;
    browser.sees("Sign out").await;
}

/// What a card says is waiting.
async fn waits(browser: &Browser, what: &str, is_good: impl Fn(u64) -> bool) {
    let script = "return document.querySelector('.backlog strong').textContent";
    let number = |seen: &Value| seen.as_str().and_then(|text| text.parse().ok());
    browser
        .until(script, what, |seen| number(seen).is_some_and(&is_good))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_seen_to_grow_and_to_drain() {
    let a = Instance::start("kite-a").await;
    let mut b = Instance::start("kite-b").await;
    let peer = link(&a, &b, UNLIMITED).await;
    let browser = Browser::start().await;
    sign_in(&browser, &a.server.owner()).await;
    browser.sees("Ready: nothing was delivered yet").await;
    // Somebody is at a button, and the page stays the page that was opened.
    let marked = "window.isSame = true; document.querySelector('button[name=pause]').focus()";
    browser.evaluate(marked).await;
    b.kill();
    a.take("x", 40).await;
    waits(&browser, "all are seen to wait", |count| count == 40).await;
    browser.sees("Failing:").await;
    let picture = "return document.querySelector('svg.chart').getAttribute('aria-label')";
    let told = |seen: &Value| {
        seen.as_str()
            .is_some_and(|text| text.contains("40 now, 40 at most"))
    };
    browser.until(picture, "the picture shows it", told).await;
    b.revive();
    a.reaches(&peer).await;
    waits(&browser, "nothing waits", |count| count == 0).await;
    browser.sees("Healthy").await;
    let same = "return [window.isSame, document.activeElement.name]";
    assert_eq!(browser.evaluate(same).await, json!([true, "pause"]));
    stays_at_home(&browser, &a.server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_found_understood_and_replayed_with_the_keyboard() {
    let site = Site::start();
    site.peer(&site.owner, "b").await;
    site.letter(&site.owner, &note("e-1")).await;
    let browser = Browser::start().await;
    sign_in(&browser, &site.owner).await;
    // Each step: to a link or a button, and ENTER.
    let focus = async |selector: &str| {
        browser.find(selector).await;
        let script = format!("document.querySelector({selector:?}).focus()");
        browser.evaluate(&script).await;
        browser.press([ENTER]).await;
    };
    focus("a[id^=letters-]").await;
    browser.sees("com.demo.note").await;
    focus("td a").await;
    for part in ["400", "Attempts", "\"n\": 1.5"] {
        browser.sees(part).await;
    }
    focus("#discard").await;
    browser.sees("This cannot be undone").await;
    focus("#keep").await;
    browser.sees("Attempts").await;
    site.mend();
    focus("#replay").await;
    browser.sees("one event is on its way again").await;
    site.hook.wait(2);
    focus("#sign-out").await;
    browser.sees("Your admin key").await;
    stays_at_home(&browser, &site.server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_page_fits_a_narrow_screen_and_is_reached_with_the_keyboard() {
    let site = Site::start();
    let long = "n".repeat(120);
    let peer = site.peer(&site.owner, &long).await;
    let event =
        json!({"id": long, "source": long, "type": long, "data": {"text": "x".repeat(3000)}});
    let letter = site.letter(&site.owner, &event).await;
    site.owner
        .post("/api/v1/hooks", "{\"source\":\"github\"}")
        .await
        .expect(201);
    let browser = Browser::start().await;
    sign_in(&browser, &site.owner).await;
    let one = format!("/console/dead-letters/{letter}");
    let (discard, of_peer) = (
        format!("{one}/discard"),
        format!("/console/dead-letters?peer={peer}"),
    );
    let pages = PAGES.iter().copied();
    let pages: Vec<&str> = pages.chain([one.as_str(), &discard, &of_peer]).collect();
    for (width, scheme) in [(400, "light"), (1000, "dark")] {
        browser.narrow(width).await;
        browser.prefer(scheme).await;
        for (number, page) in pages.iter().enumerate() {
            browser.open(&format!("{}{page}", site.server.url())).await;
            let widths = "return [innerWidth, document.scrollingElement.scrollWidth]";
            let widths = browser.evaluate(widths).await;
            assert_eq!(widths, json!([width, width]), "{page}");
            if let Some(dir) = std::env::var_os("KITE_SCREENSHOTS") {
                let file = std::path::Path::new(&dir).join(format!("console-{width}-{number}.png"));
                browser.screenshot(&file).await;
            }
            every_text_is_readable(&browser, page).await;
            every_control_is_reached(&browser, page).await;
        }
    }
    stays_at_home(&browser, &site.server).await;
}

/// Goes through a page with TAB, which must come to each control, and shows where it is.
async fn every_control_is_reached(browser: &Browser, page: &str) {
    let begin = "const all = 'a[href], button, input:not([type=hidden]), select, [tabindex=\"0\"]'; \
         window.missed = new Set(document.querySelectorAll(all)); window.unseen = []; \
         document.addEventListener('focusin', (event) => { const s = getComputedStyle(event.target); \
         missed.delete(event.target); if (s.outlineStyle == 'none') unseen.push(event.target.outerHTML) }); \
         document.activeElement.blur(); return missed.size";
    let controls = browser.evaluate(begin).await.as_u64().unwrap();
    assert!(controls >= 7, "{page}: {controls}");
    // One more: the first may go to where the browser was before.
    let strokes = usize::try_from(controls).unwrap() + 1;
    browser
        .press(std::iter::repeat_n(crate::support::webdriver::TAB, strokes))
        .await;
    let left = "return [...[...missed].map((one) => one.outerHTML), ...unseen]";
    assert_eq!(browser.evaluate(left).await, json!([]), "{page}");
}

/// Each text stands out from what is behind it, 4.5 to 1 at least (WCAG 2.2, 1.4.3).
async fn every_text_is_readable(browser: &Browser, page: &str) {
    let faint = "const rgb = (color) => color.match(/[\\d.]+/g).map(Number); \
         const lightness = (color) => { const [r, g, b] = rgb(color).slice(0, 3).map((part) => { part /= 255; \
             return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4 }); \
             return 0.2126 * r + 0.7152 * g + 0.0722 * b }; \
         const ground = (one) => { for (; one; one = one.parentElement) { \
             const color = getComputedStyle(one).backgroundColor; if (rgb(color)[3] !== 0) return color } \
             return 'rgb(255, 255, 255)' }; \
         const texts = [...document.querySelectorAll('body *')].filter((one) => \
             [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())); \
         const seen = texts.map((one) => { const pair = [lightness(getComputedStyle(one).color), \
             lightness(ground(one))].sort((a, b) => b - a); \
             return [(pair[0] + 0.05) / (pair[1] + 0.05), one.outerHTML.slice(0, 99)] }); \
         return [seen.length, seen.filter(([ratio]) => ratio < 4.5)]";
    let found = browser.evaluate(faint).await;
    assert!(found[0].as_u64() >= Some(5), "{page}: {found}");
    assert_eq!(found[1], json!([]), "{page}");
}
