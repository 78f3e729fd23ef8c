//! News of those who follow the log, for those who wait until they have read so far: who follows rests
//! less while somebody waits.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long who follows rests after a page that was not full, and how much longer while nobody waits.
const BREATH: Duration = Duration::from_millis(5);
const REST: Duration = Duration::from_millis(45);

/// What some followers of this process tell, and how many wait for it.
#[derive(Clone, Debug, Default)]
pub struct News {
    told: watch::Sender<()>,
    waiting: watch::Sender<usize>,
}

/// Somebody who waits, until dropped.
#[derive(Debug)]
pub struct Waiting(watch::Sender<usize>);

impl News {
    /// Somebody has read on: whoever waits for that looks again.
    pub fn tell(&self) {
        self.told.send_replace(());
    }

    /// Changes whenever it is told.
    pub fn listen(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    /// From now on somebody waits: long rests end, and none begin.
    pub fn wait(&self) -> Waiting {
        self.waiting.send_modify(|waiting| *waiting += 1);
        Waiting(self.waiting.clone())
    }

    /// Rests after a page of `taken` events for which up to `limit` were asked for, unless it was
    /// full: what comes meanwhile shares the next page, which costs a round trip or two however short
    /// it is, and the feeder that for each read model. Thirty events cost hardly less than sixty.
    pub async fn rest_after(&self, taken: usize, limit: i64) {
        if taken as i64 >= limit {
            return;
        }
        sleep(BREATH).await;
        let mut waiting = self.waiting.subscribe();
        let _ = timeout(REST, waiting.wait_for(|waiting| *waiting > 0)).await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    async fn rest(news: &News, taken: usize) -> u128 {
        let began = Instant::now();
        news.rest_after(taken, 500).await;
        began.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_rests_while_there_is_a_full_page_to_take() {
        let news = News::default();
        assert_eq!(rest(&news, 500).await, 0);
        assert_eq!(rest(&news, 499).await, 50);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_begins_to_wait_ends_a_rest_and_keeps_others_short_until_they_have_gone() {
        let news = News::default();
        let waiting = async {
            sleep(Duration::from_millis(12)).await;
            news.wait()
        };
        let (rested, waiting) = tokio::join!(rest(&news, 1), waiting);
        assert_eq!((rested, rest(&news, 1).await), (12, 5));
        let another = news.wait();
        drop(waiting);
        assert_eq!(rest(&news, 1).await, 5);
        drop(another);
        assert_eq!(rest(&news, 1).await, 50);
    }
}
