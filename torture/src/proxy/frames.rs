//! PostgreSQL's messages as they stand in a stream, and which statement a client is about.

use std::collections::HashMap;
use std::io::{self, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longer than any message of ours.
const LONGEST: usize = 256 << 20;

/// Cuts a stream into messages.
pub(super) struct Frames<R> {
    reader: R,
    read: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(reader: R) -> Frames<R> {
        Frames { reader, read: vec![] }
    }

    pub(super) fn into_reader(self) -> R {
        self.reader
    }

    /// A client's first message, which has no type.
    pub(super) async fn startup(&mut self) -> io::Result<Vec<u8>> {
        self.message(0).await
    }

    /// May be dropped at any time: what was read is kept.
    pub(super) async fn next(&mut self) -> io::Result<Vec<u8>> {
        self.message(1).await
    }

    /// The length stands at `at` and counts itself and what follows.
    async fn message(&mut self, at: usize) -> io::Result<Vec<u8>> {
        loop {
            if let Some(length) = self.read.get(at..at + 4) {
                let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
                let end = at + usize::try_from(length).unwrap_or(usize::MAX).min(LONGEST);
                if self.read.len() >= end {
                    let rest = self.read.split_off(end);
                    return Ok(std::mem::replace(&mut self.read, rest));
                }
            }
            if self.reader.read_buf(&mut self.read).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// What a client has said since it last waited for an answer, and about what.
pub(super) struct Session {
    name: String,
    prepared: HashMap<Vec<u8>, String>,
    statement: String,
    round: Vec<u8>,
}

impl Session {
    pub(super) fn of(startup: &[u8]) -> Session {
        let mut words = startup.get(8..).unwrap_or_default().split(|byte| *byte == 0);
        let name = words.find(|word| *word == b"application_name").and_then(|_| words.next());
        Session {
            name: text(name.unwrap_or_default()),
            prepared: HashMap::new(),
            statement: String::new(),
            round: vec![],
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn statement(&self) -> &str {
        &self.statement
    }

    /// The whole round, when this message ends it.
    pub(super) fn says(&mut self, message: Vec<u8>) -> Option<Vec<u8>> {
        if self.round.is_empty() {
            self.statement = "a look whether the session is there".to_owned();
        }
        let body = message.get(5..).unwrap_or_default();
        let mut words = body.split(|byte| *byte == 0);
        let kind = message.first().copied().unwrap_or_default();
        match kind {
            b'P' => {
                let name = words.next().unwrap_or_default().to_vec();
                self.statement = text(words.next().unwrap_or_default());
                self.prepared.insert(name, self.statement.clone());
            }
            b'B' => {
                let name = words.nth(1).unwrap_or_default();
                if let Some(statement) = self.prepared.get(name) {
                    self.statement.clone_from(statement);
                }
            }
            b'Q' => self.statement = text(words.next().unwrap_or_default()),
            _ => {}
        }
        self.round.extend(message);
        // Parse, bind, describe, execute and close wait for a sync; all else is said at once.
        (!b"PBDEC".contains(&kind)).then(|| std::mem::take(&mut self.round))
    }
}

/// What a database says that has no room left, to a session that stands so: `I` outside of a
/// transaction, `T` in one, which then has failed.
pub(super) fn failure(standing: u8) -> Vec<u8> {
    let fields = b"SERROR\0VERROR\0C53100\0Mno space left on device\0\0";
    let after = if standing == b'I' { b'I' } else { b'E' };
    [message(b'E', fields), message(b'Z', &[after])].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or_default().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_cut_into_messages_wherever_it_was_torn() {
        let (mut near, far) = tokio::io::duplex(3);
        let said = [message(b'Q', b"select 1\0"), message(b'X', b"")].concat();
        let saying = said.clone();
        tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut near, &saying).await });
        let mut frames = Frames::new(far);
        let heard = [frames.next().await.unwrap(), frames.next().await.unwrap()];
        assert_eq!(heard.concat(), said);
        assert_eq!(frames.next().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_round_ends_where_the_client_waits_and_is_about_the_statement_that_was_prepared() {
        let startup = b"\0\0\0\x30\0\x03\0\0user\0postgres\0application_name\0verbatim app\0\0";
        let mut session = Session::of(startup);
        assert_eq!(session.name(), "verbatim app");
        assert_eq!(session.says(message(b'P', b"s1\0select\n  1\0\0\0")), None);
        assert!(session.says(message(b'S', b"")).is_some());
        assert_eq!(session.statement(), "select 1");
        assert!(session.says(message(b'S', b"")).is_some());
        assert_ne!(session.statement(), "select 1");
        assert_eq!(session.says(message(b'B', b"\0s1\0\0\0")), None);
        assert_eq!(session.says(message(b'E', b"\0\0\0\0\0")), None);
        let round = session.says(message(b'S', b"")).unwrap();
        assert_eq!((session.statement(), round.len()), ("select 1", 11 + 10 + 5));
    }
}
