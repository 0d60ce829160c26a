//! A real Chromium, driven over WebDriver: the few calls that the tests need.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cli::clean;
use super::process::Process;
use super::{GLANCE, PATIENCE};

/// The keys that have no letter, as WebDriver writes them.
pub(crate) const TAB: char = '\u{e004}';
pub(crate) const ENTER: char = '\u{e007}';
pub(crate) const DOWN: char = '\u{e015}';
const SHIFT: char = '\u{e008}';

/// The member that holds an element's id (WebDriver, 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How Chromium has to start where it runs as root and has no network.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with nothing in it. It ends with this value.
pub(crate) struct Browser {
    session: String,
    client: Client,
    // In this order: the driver ends before its directory goes.
    driver: Option<Process>,
    home: TempDir,
}

fn assert_installed(program: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    assert!(
        is_there,
        "`{program}` is missing: `apt-get install chromium chromium-driver` installs it (scripts/test.sh does so)"
    );
}

fn client(limit: Duration) -> Client {
    Client::builder()
        .no_proxy()
        .tls_certs_only(Vec::new())
        .timeout(limit)
        .build()
        .unwrap()
}

impl Browser {
    /// Starts a browser on an empty profile.
    pub(crate) async fn start() -> Self {
        assert_installed("chromium");
        assert_installed("chromedriver");
        let home = TempDir::new().unwrap();
        let mut command = clean("chromedriver", home.path());
        command.arg("--port=0").env("TMPDIR", home.path());
        let mut driver = Process::start("chromedriver", command, None);
        let port = loop {
            let line = driver.line();
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let mut browser = Self {
            session: format!("http://127.0.0.1:{port}/session"),
            client: client(Duration::from_secs(60)),
            driver: Some(driver),
            home,
        };
        let profile = browser.home.path().join("profile");
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let begun = browser.call(Method::POST, "", wanted).await;
        let id = begun["sessionId"].as_str().unwrap();
        browser.session = format!("{}/{id}", browser.session);
        // It begins with a page of its own, whose requests are nobody's business.
        browser.open("about:blank").await;
        browser.requests().await;
        browser.complaints().await;
        browser
    }

    /// Makes a call that must succeed; its value.
    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.try_call(method, path, body).await;
        answer.unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    /// Makes a call; its value, or what the driver says is wrong.
    async fn try_call(&self, method: Method, path: &str, body: Value) -> Result<Value, String> {
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.session));
        let request = match method {
            Method::POST => request
                .header("content-type", "application/json")
                .body(body.to_string()),
            _ => request,
        };
        let response = request.send().await.expect("the driver answers");
        let is_good = response.status().is_success();
        let mut answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        match is_good {
            true => Ok(answer["value"].take()),
            false => Err(answer["value"]["message"].to_string()),
        }
    }

    async fn get(&self, path: &str) -> String {
        let value = self.call(Method::GET, path, Value::Null).await;
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) async fn open(&self, url: &str) {
        self.call(Method::POST, "/url", json!({"url": url})).await;
    }

    /// The id of the first element that a CSS selector finds.
    pub(crate) async fn find(&self, selector: &str) -> String {
        let by = json!({"using": "css selector", "value": selector});
        let found = self.call(Method::POST, "/element", by).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Waits until a person sees this text on the page.
    pub(crate) async fn sees(&self, part: &str) {
        let text = "return document.body.innerText";
        self.until(text, &format!("`{part}` is on the page"), |seen| {
            seen.as_str().is_some_and(|seen| seen.contains(part))
        })
        .await;
    }

    /// Waits until the element with this id (or this value) has the focus, which must be seen.
    pub(crate) async fn has_focus(&self, expected: &str) {
        let script = "const e = document.activeElement, s = getComputedStyle(e); \
             return [e.id || e.value, s.outlineStyle == 'none' ? 0 : parseFloat(s.outlineWidth)]";
        let found = self
            .until(script, &format!("`{expected}` has the focus"), |found| {
                found[0] == expected
            })
            .await;
        assert!(found[1].as_f64() >= Some(2.0), "one sees it: {found}");
    }

    /// Asks the page until it gives a good answer: a click or a key may lead to another page, which takes its time.
    pub(crate) async fn until(
        &self,
        script: &str,
        what: &str,
        is_good: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let body = json!({"script": script, "args": []});
        loop {
            let found = self
                .try_call(Method::POST, "/execute/sync", body.clone())
                .await;
            match found {
                Ok(found) if is_good(&found) => return found,
                found => assert!(Instant::now() < deadline, "in vain until {what}: {found:?}"),
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Clicks on an element.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        let path = format!("/element/{element}/click");
        self.call(Method::POST, &path, json!({})).await;
    }

    /// Types into an element.
    pub(crate) async fn send_keys(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        let path = format!("/element/{element}/value");
        self.call(Method::POST, &path, json!({"text": text})).await;
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: impl IntoIterator<Item = char>) {
        let strokes = keys.into_iter().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
        });
        self.strokes(&strokes.collect::<Vec<_>>()).await;
    }

    /// Goes back to what had the focus before: TAB with SHIFT.
    pub(crate) async fn go_back(&self) {
        let stroke = |kind: &str, key: char| json!({"type": kind, "value": key.to_string()});
        let actions = [
            stroke("keyDown", SHIFT),
            stroke("keyDown", TAB),
            stroke("keyUp", TAB),
            stroke("keyUp", SHIFT),
        ];
        self.strokes(&actions).await;
    }

    async fn strokes(&self, actions: &[Value]) {
        let keyboard = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.call(Method::POST, "/actions", keyboard).await;
    }

    /// Asks the page something. It is not the page that runs it: its own policy allows no script.
    pub(crate) async fn evaluate(&self, script: &str) -> Value {
        let body = json!({"script": script, "args": []});
        self.call(Method::POST, "/execute/sync", body).await
    }

    /// Makes the screen this wide, as a small telephone's is: windows have a width that they do not go below.
    pub(crate) async fn narrow(&self, width: u32) {
        let screen = json!({"width": width, "height": 640, "deviceScaleFactor": 1, "mobile": true});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": screen});
        self.call(Method::POST, "/goog/cdp/execute", command).await;
    }

    /// Shows pages as somebody sees them who likes them `light` or `dark`.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let wish = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": wish});
        self.call(Method::POST, "/goog/cdp/execute", command).await;
    }

    /// The addresses that were asked for since the last time.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let sent = self
            .log("performance")
            .await
            .into_iter()
            .filter_map(|entry| {
                let entry: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
                let message = &entry["message"];
                let is_request = message["method"] == "Network.requestWillBeSent";
                let url = message["params"]["request"]["url"].as_str()?;
                is_request.then(|| url.to_owned())
            });
        sent.collect()
    }

    /// What the browser complained about since the last time: broken rules of the page's policy among them.
    pub(crate) async fn complaints(&self) -> Vec<Value> {
        self.log("browser").await
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let log = self
            .call(Method::POST, "/se/log", json!({"type": kind}))
            .await;
        log.as_array().unwrap().clone()
    }

    /// A picture of the page, as PNG.
    pub(crate) async fn screenshot(&self, file: &Path) {
        let picture = self.get("/screenshot").await;
        fs::write(file, STANDARD.decode(picture).unwrap()).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when it is asked to; killed, it would leave it behind. By another client: the
        // connections of this one stand still with the test.
        let session = self.session.clone();
        let asked = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { client(PATIENCE).delete(session).send().await.is_ok() })
        });
        asked.join().ok();
        drop(self.driver.take());
        // What does not go by itself is known by the directory that it works in, which is nobody else's.
        let deadline = Instant::now() + PATIENCE;
        let home = self
            .home
            .path()
            .to_str()
            .unwrap_or("no directory")
            .to_owned();
        while let left = processes_with(&home)
            && !left.is_empty()
        {
            if Instant::now() > deadline {
                eprintln!("ending what the browser left: {left:?}");
                for id in left {
                    let kill = format!("kill -KILL {id}");
                    std::process::Command::new("sh")
                        .args(["-c", &kill])
                        .status()
                        .ok();
                }
                return;
            }
            thread::sleep(GLANCE);
        }
    }
}

/// The ids of the processes whose command line holds this text.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        fs::read(format!("/proc/{id}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
    })
    .collect()
}
