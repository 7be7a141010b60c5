//! Chromium without a window, told what to do through the DevTools protocol: JSON with a zero byte behind it, over pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// How long one answer may take: software GPUs are slow, and so are machines with other work.
const PATIENCE: Duration = Duration::from_secs(300);

/// A browser with one open page.
pub struct Chromium {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    last: u64,
    session: Option<String>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts `CHROMIUM`, else chromium, on its software GPU. Where there is none, says so, and fails under
    /// `REQUIRE_CHROMIUM=1`.
    pub fn start() -> Option<Self> {
        let program = std::env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
        let runs = Command::new(&program).arg("--version").stderr(Stdio::null()).output();
        if !runs.is_ok_and(|done| done.status.success()) {
            let required = std::env::var("REQUIRE_CHROMIUM").is_ok_and(|value| value == "1");
            assert!(!required, "REQUIRE_CHROMIUM=1, but {} does not run", program.display());
            crate::common::skip("no chromium; install it or name it with CHROMIUM");
            return None;
        }
        let profile = tempdir().unwrap();
        // It reads from descriptor 3 and writes to 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "sh"])
            .arg(&program)
            .args(["--headless=new", "--no-sandbox", "--no-first-run", "--disable-extensions"])
            .args(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, messages) = channel();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { break };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self { child, input, messages, last: 0, session: None, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = Some(session["sessionId"].as_str().unwrap().to_string());
        browser.call("Page.enable", json!({}));
        Some(browser)
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.input.flush().unwrap();
        loop {
            let answer = self.messages.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{method}: {e}"));
            if answer["id"] == json!(self.last) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Opens a file, with a script that runs before its own.
    pub fn open(&mut self, page: &Path, before: &str) {
        let added = self.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": before }));
        self.call("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        let loaded = "new Promise((done) => document.readyState === 'complete' \
                      ? done(true) : window.addEventListener('load', () => done(true)))";
        self.evaluate(loaded);
        self.call("Page.removeScriptToEvaluateOnNewDocument", json!({ "identifier": added["identifier"] }));
    }

    /// What an expression of JavaScript, or what it promises, comes to.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Gives files to an input element, as a user who chooses them does.
    pub fn choose(&mut self, element: &str, files: &[&Path]) {
        let document = self.call("DOM.getDocument", json!({}));
        let node = json!({ "nodeId": document["root"]["nodeId"], "selector": element });
        let found = self.call("DOM.querySelector", node);
        self.call("DOM.setFileInputFiles", json!({ "nodeId": found["nodeId"], "files": files }));
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let close = json!({ "id": self.last + 1, "method": "Browser.close" });
        let _ = self.input.write_all(format!("{close}\0").as_bytes());
        // Its profile is removed next, and it must not write into it any more.
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
