//! A mail server on this machine, and what arrives there.

use commands::access::letters;
use commands::effects;
use commands::gateways::smtp::Post;
use commands::policies::send_mails::{Mailer, SendMails};
use commands::policies::{self, Policy};
use event_store::subscription::Subscription;
use simulators::smtp::{Letter, Sink};

use super::App;

pub(crate) struct Mail {
    pub(crate) sink: Sink,
    mailer: Mailer,
}

impl Mail {
    pub(crate) fn of(app: &App) -> Mail {
        super::client();
        let sink = Sink::start().unwrap();
        let post =
            Post::new(Some(&sink.url()), Some("Verbatim <post@verbatim.example>"), false).unwrap();
        Mail { sink, mailer: Mailer::new(app.commands.clone(), post) }
    }

    /// Lets everything go out that is to be mailed now.
    pub(crate) async fn post(&self, app: &App) {
        letters::write_all(&app.commands).await.unwrap();
        let mut policy = Subscription::resume(&app.store, SendMails::NAME, 0).await.unwrap();
        while policies::follow(&app.commands, &SendMails, &mut policy).await.unwrap() > 0 {}
        while effects::attempt_due(&app.store, &self.mailer).await.unwrap() > 0 {}
    }

    /// The newest mail to an address.
    pub(crate) async fn letter(&self, app: &App, to: &str) -> Letter {
        self.post(app).await;
        self.sink.letters(to).pop().unwrap_or_else(|| panic!("no mail came to {to}"))
    }

    /// The code or token in the newest mail to an address.
    pub(crate) async fn answer(&self, app: &App, to: &str) -> String {
        let letter = self.letter(app, to).await;
        let line = letter.text().lines().nth(2);
        line.unwrap_or_else(|| panic!("{letter:?}")).to_owned()
    }
}
