//! Where the Graph API is, and how each account gets there.

use reqwest::Client;

use super::Graph;

/// Where the Graph API is, and in which version.
#[derive(Clone, Debug)]
pub struct GraphSettings {
    pub base_url: String,
    pub version: String,
}

/// The way to the Graph API, for whoever has a token. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Graphs {
    client: Client,
    settings: GraphSettings,
}

impl Graphs {
    pub fn new(client: Client, settings: GraphSettings) -> Graphs {
        Graphs { client, settings }
    }

    /// `None` where there is no token, or it leads nowhere.
    pub fn with(&self, token: Option<&[u8]>) -> Option<Graph> {
        let token = String::from_utf8(token?.to_vec()).ok()?;
        let GraphSettings { base_url, version } = &self.settings;
        Graph::new(self.client.clone(), base_url, version, token).ok()
    }
}
