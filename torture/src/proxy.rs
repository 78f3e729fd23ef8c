//! A wire between server and database that goes wrong: it carries PostgreSQL's protocol message by
//! message, and may delay, cut or reset a connection before or after the database has heard.

mod frames;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::dice::Dice;
use frames::{Frames, Session};

/// What happens to one round: all that a client says until it waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Delayed(Duration),
    /// The database never hears it, and the client is told that its disk is full.
    Failed,
    /// The database never hears it.
    CutBefore,
    /// The database has heard and answered it, and the answer is lost: what was to be committed is.
    CutAfter,
    /// As `CutBefore`, but told at once by a reset instead of an end.
    Reset,
}

/// What the wire does at present.
enum Weather {
    Calm,
    /// Any round may be hit; of so many thousand, this many.
    Storm {
        dice: Dice,
        per_mille: u64,
    },
    /// The nth round from now of a session that serves requests is hit, once.
    Aimed {
        left: u64,
        fault: Fault,
        hit: Option<String>,
    },
}

struct Wire {
    socket: PathBuf,
    weather: Mutex<Weather>,
    /// How often what happened.
    faults: Mutex<BTreeMap<&'static str, usize>>,
}

/// Carries until it is dropped.
pub(crate) struct Proxy {
    port: u16,
    wire: Arc<Wire>,
    carrying: JoinHandle<()>,
}

/// How sessions that serve requests call themselves; which process they are of stands behind it.
const SERVING: &str = "verbatim app";
const LONGEST_DELAY: Duration = Duration::from_millis(400);

impl Proxy {
    /// To the database whose socket is in that directory.
    pub(crate) async fn start(dir: PathBuf) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let wire = Arc::new(Wire {
            socket: dir.join(".s.PGSQL.5432"),
            weather: Mutex::new(Weather::Calm),
            faults: Mutex::default(),
        });
        let carried = Arc::clone(&wire);
        let carrying = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let wire = Arc::clone(&carried);
                // An end of either side is the end of the connection, whoever's fault it is.
                tokio::spawn(async move { wire.carry(client).await });
            }
        });
        Ok(Proxy { port, wire, carrying })
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/verbatim?sslmode=disable", self.port)
    }

    pub(crate) fn storm(&self, dice: Dice, per_mille: u64) {
        *lock(&self.wire.weather) = Weather::Storm { dice, per_mille };
    }

    pub(crate) fn aim(&self, nth: u64, fault: Fault) {
        *lock(&self.wire.weather) = Weather::Aimed { left: nth, fault, hit: None };
    }

    /// Nothing goes wrong any more. Returns what was hit, if the wire was aimed at something.
    pub(crate) fn calm(&self) -> Option<String> {
        match std::mem::replace(&mut *lock(&self.wire.weather), Weather::Calm) {
            Weather::Aimed { hit, .. } => hit,
            Weather::Calm | Weather::Storm { .. } => None,
        }
    }

    pub(crate) fn faults(&self) -> BTreeMap<&'static str, usize> {
        lock(&self.wire.faults).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

impl Wire {
    async fn carry(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let database = UnixStream::connect(&self.socket).await?;
        let (reader, mut to_client) = client.into_split();
        let mut from_client = Frames::new(reader);
        let (reader, mut to_database) = database.into_split();
        let mut from_database = Frames::new(reader);
        let first = from_client.startup().await?;
        let mut session = Session::of(&first);
        to_database.write_all(&first).await?;
        let (mut answer_is_lost, mut standing) = (false, b'I');
        loop {
            tokio::select! {
                message = from_client.next() => {
                    let Some(round) = session.says(message?) else { continue };
                    match self.judge(&session) {
                        None => {}
                        Some(Fault::Delayed(by)) => sleep(by).await,
                        Some(Fault::Failed) => {
                            to_client.write_all(&frames::failure(standing)).await?;
                            continue;
                        }
                        Some(Fault::CutBefore) => return Ok(()),
                        Some(Fault::CutAfter) => answer_is_lost = true,
                        Some(Fault::Reset) => {
                            let client = to_client.reunite(from_client.into_reader());
                            return client.map_err(io::Error::other)?.set_zero_linger();
                        }
                    }
                    to_database.write_all(&round).await?;
                }
                message = from_database.next() => {
                    let message = message?;
                    let is_end = message.first() == Some(&b'Z');
                    if is_end {
                        standing = message.last().copied().unwrap_or(standing);
                    }
                    if !answer_is_lost {
                        to_client.write_all(&message).await?;
                    } else if is_end {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// What happens to the round that the session has just said.
    fn judge(&self, session: &Session) -> Option<Fault> {
        let fault = match &mut *lock(&self.weather) {
            Weather::Calm => None,
            Weather::Storm { dice, per_mille } => strike(dice, *per_mille),
            Weather::Aimed { left, fault, hit } => {
                if !session.name().starts_with(SERVING) || hit.is_some() {
                    return None;
                }
                *left -= 1;
                (*left == 0).then(|| {
                    *hit = Some(session.statement().to_owned());
                    *fault
                })
            }
        };
        if let Some(fault) = fault {
            *lock(&self.faults).entry(fault.word()).or_default() += 1;
        }
        fault
    }
}

fn strike(dice: &mut Dice, per_mille: u64) -> Option<Fault> {
    let (strikes, kind, by) = (dice.below(1000), dice.below(5), dice.up_to(LONGEST_DELAY));
    let fault = match kind {
        0 => Fault::Delayed(by),
        1 => Fault::CutBefore,
        2 => Fault::CutAfter,
        3 => Fault::Failed,
        _ => Fault::Reset,
    };
    (strikes < per_mille).then_some(fault)
}

impl Fault {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Fault::Delayed(_) => "delayed",
            Fault::Failed => "failed",
            Fault::CutBefore => "cut before",
            Fault::CutAfter => "cut after",
            Fault::Reset => "reset",
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
