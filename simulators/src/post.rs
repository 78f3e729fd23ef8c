//! How a provider tells its customers what happened: requests to their address, tried again until
//! they say 200.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::lock;
use crate::script::Callbacks;

/// Of what all callbacks are.
pub(crate) const TYPE: &str = "application/json";

/// How long a provider keeps trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The pause after the first failure; each one after is twice as long.
    pub first: Duration,
    pub longest: Duration,
    pub gives_up: Duration,
}

impl Default for Patience {
    /// The providers' days, shortened to what a test can wait for.
    fn default() -> Self {
        Patience {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(2),
            gives_up: Duration::from_secs(15 * 60),
        }
    }
}

/// A callback that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    pub body: String,
    pub tries: u32,
    /// The last answer, unless there was none.
    pub status: Option<u16>,
}

/// Seals a letter: the headers that prove, to who lives there, whom the body is from.
pub(crate) type Seal = Arc<dyn Fn(&Uri, &[u8]) -> Vec<(&'static str, String)> + Send + Sync>;

/// A callback on its way.
#[derive(Clone)]
pub(crate) struct Letter {
    /// Whom it goes to; where they are is looked up at each try, because servers move.
    pub(crate) addressee: String,
    pub(crate) seal: Option<Seal>,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Post {
    handle: Handle,
    client: Client<HttpConnector, Full<Bytes>>,
    patience: Patience,
    addresses: Arc<Mutex<HashMap<String, String>>>,
    posted: Arc<Mutex<Vec<Posted>>>,
    pending: Arc<AtomicUsize>,
}

/// A letter that is being written.
pub(crate) struct Writing(Arc<AtomicUsize>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Post {
    pub(crate) fn new(handle: Handle, patience: Patience) -> Post {
        Post {
            handle,
            client: Client::builder(TokioExecutor::new()).build_http(),
            patience,
            addresses: Arc::default(),
            posted: Arc::default(),
            pending: Arc::default(),
        }
    }

    /// From now on everything for this addressee goes there.
    pub(crate) fn lives_at(&self, addressee: &str, url: &str) {
        lock(&self.addresses).insert(addressee.to_owned(), url.to_owned());
    }

    pub(crate) fn knows(&self, addressee: &str) -> bool {
        lock(&self.addresses).contains_key(addressee)
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::SeqCst)
    }

    /// Whoever sees in a ledger what was done must not think that nothing is to come of it: until
    /// this is dropped, a letter counts as pending.
    pub(crate) fn writing(&self) -> Writing {
        self.pending.fetch_add(1, Ordering::SeqCst);
        Writing(self.pending.clone())
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        lock(&self.posted).clone()
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Sends letters one after the other, each when it is due, counted from now. Who has no address
    /// gets none.
    pub(crate) fn dispatch(&self, mut letters: Vec<(Duration, Letter)>, how: &Callbacks) {
        letters.retain(|(_, letter)| self.knows(&letter.addressee));
        if how.withheld || letters.is_empty() {
            return;
        }
        if how.reversed {
            let mut due: Vec<Duration> = letters.iter().map(|(due, _)| *due).collect();
            letters.reverse();
            due.sort();
            letters.iter_mut().zip(due).for_each(|(letter, due)| letter.0 = due);
        }
        let copies = how.copies;
        let all = letters.len() * (1 + usize::try_from(copies).unwrap_or_default());
        self.pending.fetch_add(all, Ordering::SeqCst);
        let (post, start, late) = (self.clone(), Instant::now(), how.late);
        self.handle.spawn(async move {
            for (due, letter) in letters {
                sleep((due + late).saturating_sub(start.elapsed())).await;
                for _ in 0..copies {
                    let (post, letter) = (post.clone(), letter.clone());
                    tokio::spawn(async move { post.deliver(letter).await });
                }
                post.deliver(letter).await;
            }
        });
    }

    async fn deliver(&self, letter: Letter) {
        let (start, mut pause, mut tries) = (Instant::now(), self.patience.first, 0);
        let status = loop {
            tries += 1;
            let status = self.attempt(&letter).await;
            if status == Some(200) || start.elapsed() > self.patience.gives_up {
                break status;
            }
            sleep(pause).await;
            pause = (pause * 2).min(self.patience.longest);
        };
        let body = String::from_utf8_lossy(&letter.body).into_owned();
        lock(&self.posted).push(Posted { body, tries, status });
        self.pending.fetch_sub(1, Ordering::SeqCst);
    }

    async fn attempt(&self, letter: &Letter) -> Option<u16> {
        let url = lock(&self.addresses).get(&letter.addressee).cloned()?;
        let url: Uri = url.parse().ok()?;
        let seal = letter.seal.as_ref().map(|seal| seal(&url, &letter.body));
        let mut request = Request::post(url).header(CONTENT_TYPE, TYPE);
        for (name, value) in seal.into_iter().flatten() {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(&letter.body))).ok()?;
        let answer = timeout(Duration::from_secs(10), self.client.request(request)).await;
        Some(answer.ok()?.ok()?.status().as_u16())
    }
}
