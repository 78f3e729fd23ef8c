//! What the program can be told, on the command line or by the environment.

use std::path::PathBuf;

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
}

impl Settings {
    pub(crate) fn database_url(&self) -> Option<&str> {
        told(self.database_url.as_ref())
    }

    pub(crate) fn master_key(&self) -> Option<&str> {
        told(self.master_key.as_ref())
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(embedded::default_data_dir)
    }
}
