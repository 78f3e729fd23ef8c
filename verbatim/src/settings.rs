//! What the program can be told, on the command line or by the environment.

use std::path::PathBuf;

use api::terms::{Limits, per_minute};
use clap::Args;
use event_store::database::told;
use event_store::embedded;

#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "VERBATIM_LISTEN", default_value = "127.0.0.1:8080", global = true)]
    pub(crate) listen: String,
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
    /// Where WhatsApp's Graph API is.
    #[arg(
        long,
        env = "VERBATIM_WHATSAPP_BASE_URL",
        default_value = "https://graph.facebook.com",
        global = true
    )]
    pub(crate) whatsapp_base_url: String,
    /// The version of the Graph API.
    #[arg(long, env = "VERBATIM_WHATSAPP_VERSION", default_value = "v23.0", global = true)]
    pub(crate) whatsapp_version: String,
    /// Where PawaPay's Merchant API is.
    #[arg(
        long,
        env = "VERBATIM_PAWAPAY_BASE_URL",
        default_value = "https://api.pawapay.io",
        global = true
    )]
    pub(crate) pawapay_base_url: String,
    /// The mail server: smtps://user:password@host, or smtp://host for one that needs no secrets.
    /// Without one, mails stand in the log.
    #[arg(long, env = "VERBATIM_SMTP_URL", hide_env_values = true, global = true)]
    smtp_url: Option<String>,
    /// Whom mails come from: `name@example.com`, or `Name <name@example.com>`.
    #[arg(long, env = "VERBATIM_MAIL_FROM", global = true)]
    mail_from: Option<String>,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Terms {
    /// Requests that one key may make in a minute; 0 for as many as it likes [default: 6000, in
    /// the demo 10 times as many; the same for the next two].
    #[arg(long, env = "VERBATIM_LIMIT_KEY", global = true, value_name = "REQUESTS")]
    limit_key: Option<u32>,
    /// Requests from one address, whoever calls [default: 12000].
    #[arg(long, env = "VERBATIM_LIMIT_ADDRESS", global = true, value_name = "REQUESTS")]
    limit_address: Option<u32>,
    /// Requests of a whole organisation, where its plan says nothing else [default: 30000].
    #[arg(long, env = "VERBATIM_LIMIT_ORGANIZATION", global = true, value_name = "REQUESTS")]
    limit_organization: Option<u32>,
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
        let limit =
            |told: Option<u32>, otherwise: u32| per_minute(told.unwrap_or(otherwise * generous));
        api::terms::Terms {
            limits: Limits {
                address: limit(self.limit_address, 12_000),
                key: limit(self.limit_key, 6_000),
                organization: limit(self.limit_organization, 30_000),
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

    pub(crate) fn smtp_url(&self) -> Option<&str> {
        told(self.smtp_url.as_ref())
    }

    pub(crate) fn mail_from(&self) -> Option<&str> {
        told(self.mail_from.as_ref())
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(embedded::default_data_dir)
    }
}
