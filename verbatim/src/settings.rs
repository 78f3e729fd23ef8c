//! What the program can be told, on the command line or by the environment.

use std::path::PathBuf;

use api::terms::{Limits, per_hour, per_minute};
use clap::{Args, ValueEnum};
use commands::gateways::smtp::{Post, Unset};
use event_store::database::told;
use event_store::embedded;

use crate::telemetry;

/// What a process does of all that makes the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Answers requests, and leaves the rest to workers.
    Api,
    /// Feeds read models, follows policies and calls providers; answers only how it is doing.
    Worker,
    All,
}

impl Role {
    pub(crate) fn answers(self) -> bool {
        self != Role::Worker
    }

    pub(crate) fn works(self) -> bool {
        self != Role::Api
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "VERBATIM_LISTEN", default_value = "127.0.0.1:8080", global = true)]
    pub(crate) listen: String,
    /// What `serve` does: several processes on one database share the work.
    #[arg(long, env = "VERBATIM_ROLE", value_enum, default_value_t = Role::All, global = true)]
    pub(crate) role: Role,
    /// A PostgreSQL 15 or newer. Without it, a private one runs in the data directory.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    /// Where the private database and the master key are [default: ./data].
    #[arg(long, env = "VERBATIM_DATA_DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// The key that wraps all others: 64 hex digits. Without it, `master.key` in the data
    /// directory, made on first use.
    #[arg(long, env = "VERBATIM_MASTER_KEY", hide_env_values = true, global = true)]
    master_key: Option<String>,
    /// Where WhatsApp's Graph API is [default: https://graph.facebook.com; in the demo a simulator].
    #[arg(long, env = "VERBATIM_WHATSAPP_BASE_URL", global = true)]
    whatsapp_base_url: Option<String>,
    /// The version of the Graph API.
    #[arg(long, env = "VERBATIM_WHATSAPP_VERSION", default_value = "v23.0", global = true)]
    pub(crate) whatsapp_version: String,
    /// Messages that each line may send in a second; Meta allows 80, and 1000 to lines it upgraded.
    #[arg(
        long,
        env = "VERBATIM_WHATSAPP_LINE_RATE",
        default_value_t = 80,
        value_parser = clap::value_parser!(u16).range(1..=1000),
        global = true,
        value_name = "MESSAGES"
    )]
    pub(crate) whatsapp_line_rate: u16,
    /// Where PawaPay's Merchant API is [default: https://api.pawapay.io; in the demo a simulator].
    #[arg(long, env = "VERBATIM_PAWAPAY_BASE_URL", global = true)]
    pawapay_base_url: Option<String>,
    /// The mail server: smtps://user:password@host, or smtp://host for one that needs no secrets.
    /// Without one no mail goes out; the demo prints them.
    #[arg(long, env = "VERBATIM_SMTP_URL", hide_env_values = true, global = true)]
    smtp_url: Option<String>,
    /// Whom mails come from: `name@example.com`, or `Name <name@example.com>`.
    #[arg(long, env = "VERBATIM_MAIL_FROM", global = true)]
    mail_from: Option<String>,
    #[command(flatten)]
    pub(crate) terms: Terms,
    #[command(flatten)]
    pub(crate) log: telemetry::Log,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Terms {
    /// Requests that one key may make in a minute; 0 for as many as it likes [default: 6000, in
    /// the demo 10 times as many; the same for the next three].
    #[arg(long, env = "VERBATIM_LIMIT_KEY", global = true, value_name = "REQUESTS")]
    limit_key: Option<u32>,
    /// Requests from one address, whoever calls [default: 12000].
    #[arg(long, env = "VERBATIM_LIMIT_ADDRESS", global = true, value_name = "REQUESTS")]
    limit_address: Option<u32>,
    /// Requests of a whole organisation, where its plan says nothing else [default: 30000].
    #[arg(long, env = "VERBATIM_LIMIT_ORGANIZATION", global = true, value_name = "REQUESTS")]
    limit_organization: Option<u32>,
    /// Invitations that an organisation may mail in an hour, each counted when it is asked for
    /// [default: 200].
    #[arg(long, env = "VERBATIM_LIMIT_INVITATIONS", global = true, value_name = "MAILS")]
    limit_invitations: Option<u32>,
    /// How many proxies stand in front, each appending to X-Forwarded-For.
    #[arg(long, env = "VERBATIM_PROXIES", default_value_t = 0, global = true)]
    proxies: usize,
    /// Origins of pages that may call from a browser, like https://desk.example, with commas
    /// between; `*` for any.
    #[arg(long, env = "VERBATIM_CORS_ORIGINS", value_delimiter = ',', global = true)]
    cors_origins: Vec<String>,
}

impl Terms {
    /// On what terms clients are served; a demo is for playing.
    pub(crate) fn told(&self, demo: bool) -> api::terms::Terms {
        let generous = if demo { 10 } else { 1 };
        let times = |told: Option<u32>, otherwise: u32| told.unwrap_or(otherwise * generous);
        api::terms::Terms {
            limits: Limits {
                address: per_minute(times(self.limit_address, 12_000)),
                key: per_minute(times(self.limit_key, 6_000)),
                organization: per_minute(times(self.limit_organization, 30_000)),
                invitations: per_hour(times(self.limit_invitations, 200)),
            },
            proxies: self.proxies,
            origins: self.cors_origins.iter().filter(|told| !told.is_empty()).cloned().collect(),
            ..api::terms::Terms::default()
        }
    }
}

impl Settings {
    pub(crate) fn database_url(&self) -> Option<&str> {
        told(self.database_url.as_ref())
    }

    pub(crate) fn master_key(&self) -> Option<&str> {
        told(self.master_key.as_ref())
    }

    pub(crate) fn whatsapp_base_url(&self) -> Option<&str> {
        told(self.whatsapp_base_url.as_ref())
    }

    pub(crate) fn pawapay_base_url(&self) -> Option<&str> {
        told(self.pawapay_base_url.as_ref())
    }

    /// The same settings with other providers at the other end, where these are given. Whoever
    /// plays both sides does everything.
    pub(crate) fn facing(&self, whatsapp: Option<String>, pawapay: Option<String>) -> Settings {
        let mut settings = Settings { role: Role::All, ..self.clone() };
        settings.whatsapp_base_url = whatsapp.or(settings.whatsapp_base_url);
        settings.pawapay_base_url = pawapay.or(settings.pawapay_base_url);
        settings
    }

    /// `shows`: prints mails where no mail server is set.
    pub(crate) fn post(&self, shows: bool) -> Result<Post, Unset> {
        Post::new(told(self.smtp_url.as_ref()), told(self.mail_from.as_ref()), shows)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(embedded::default_data_dir)
    }
}
