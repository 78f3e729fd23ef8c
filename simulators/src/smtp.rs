//! A mail server on a port of its own that takes every mail and shows it to the test. It refuses
//! and hangs up when it is told to.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use crate::lock;

/// A mail as it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub from: String,
    pub to: String,
    /// Headers and text.
    pub data: String,
}

impl Letter {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.data.split("\r\n\r\n").next()?;
        let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.map(str::trim)
    }

    pub fn text(&self) -> &str {
        self.data.split_once("\r\n\r\n").map_or("", |(_, text)| text)
    }
}

/// What goes wrong with a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its recipient is refused, for good.
    NoSuchRecipient,
    /// Its recipient is refused for now.
    Busy,
    /// It is taken, and the connection is closed before that is told.
    LostAnswer,
}

#[derive(Default)]
struct Kept {
    letters: Vec<Letter>,
    troubles: VecDeque<Trouble>,
}

/// Serves until it is dropped.
pub struct Sink {
    kept: Arc<Mutex<Kept>>,
    port: u16,
    runtime: Option<Runtime>,
}

impl Sink {
    pub fn start() -> io::Result<Sink> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let served = Arc::clone(&kept);
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&served);
                tokio::spawn(async move {
                    // Fails where we hang up or the client goes: both are meant to happen.
                    let _ = Conversation::new(stream, kept).hold().await;
                });
            }
        });
        Ok(Sink { kept, port, runtime: Some(runtime) })
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Mails to an address, the oldest first.
    pub fn letters(&self, to: &str) -> Vec<Letter> {
        let kept = lock(&self.kept);
        kept.letters.iter().filter(|letter| letter.to == to).cloned().collect()
    }

    /// What happens to the next mails, one after the other.
    pub fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        lock(&self.kept).troubles.extend(troubles);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Conversation {
    stream: BufReader<TcpStream>,
    kept: Arc<Mutex<Kept>>,
    from: String,
    to: String,
    trouble: Option<Trouble>,
}

impl Conversation {
    fn new(stream: TcpStream, kept: Arc<Mutex<Kept>>) -> Conversation {
        let (from, to) = (String::new(), String::new());
        Conversation { stream: BufReader::new(stream), kept, from, to, trouble: None }
    }

    async fn hold(mut self) -> io::Result<()> {
        self.say("220 sink.example ESMTP").await?;
        while let Some(line) = self.hear().await? {
            let upper = line.to_ascii_uppercase();
            let verb = upper.split([' ', ':']).next().unwrap_or_default().to_owned();
            match verb.as_str() {
                "EHLO" => self.say("250-sink.example\r\n250 8BITMIME").await?,
                "HELO" | "NOOP" | "RSET" => self.say("250 OK").await?,
                "MAIL" => {
                    self.from = address(&line);
                    self.trouble = lock(&self.kept).troubles.pop_front();
                    self.say("250 OK").await?;
                }
                "RCPT" => {
                    self.to = address(&line);
                    match self.trouble {
                        Some(Trouble::NoSuchRecipient) => {
                            self.say(&format!("550 5.1.1 <{}> is unknown here", self.to)).await?;
                        }
                        Some(Trouble::Busy) => self.say("450 4.2.1 come back later").await?,
                        _ => self.say("250 OK").await?,
                    }
                }
                "DATA" => {
                    self.say("354 go on, end with a dot").await?;
                    self.take().await?;
                    if self.trouble == Some(Trouble::LostAnswer) {
                        return Ok(());
                    }
                    self.say("250 taken").await?;
                }
                "QUIT" => return self.say("221 bye").await,
                _ => self.say("502 unknown").await?,
            }
        }
        Ok(())
    }

    async fn take(&mut self) -> io::Result<()> {
        let mut data = String::new();
        while let Some(line) = self.hear().await? {
            if line == "." {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push_str("\r\n");
        }
        let letter = Letter { from: self.from.clone(), to: self.to.clone(), data };
        lock(&self.kept).letters.push(letter);
        Ok(())
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await
    }

    async fn hear(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await?;
        Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// What stands between `<` and `>`.
fn address(line: &str) -> String {
    let from = line.find('<').map_or(0, |at| at + 1);
    line[from..].split('>').next().unwrap_or_default().to_owned()
}
