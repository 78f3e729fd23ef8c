//! An organisation to begin with, where programs will run over a database of one's own.

use commands::access::accounts;
use commands::access::password::Password;
use commands::{Commands, Meta, access, setup};
use domain::Actor;
use domain::aggregate::Role;
use domain::user::Email;
use event_store::database::Connections;
use event_store::embedded::{self, Embedded};
use event_store::{Clock, Database, MasterKey, Store};
use serde_json::{Value, json};

use super::{PASSWORD, Scratch};

/// What is known of an organisation: the keys of one who decides and one who asks, and with what the
/// first signs in.
pub(crate) struct Founded {
    pub(crate) owner: String,
    pub(crate) agent: String,
    pub(crate) login: Value,
}

/// Founds an organisation in a database of its own. Programs find the master key in `keys`.
pub(crate) async fn founded(database: &Embedded, scratch: &Scratch) -> Founded {
    let keys = scratch.0.join("keys");
    embedded::make_private_dir(&keys).unwrap();
    let opened = Database::open(database.options(), Connections::default(), true).await.unwrap();
    let master = MasterKey::from_file(&keys.join("master.key")).unwrap();
    let commands = Commands::new(Store::open(&opened, master, Clock::Database).await.unwrap());
    let organization = setup::found_organization(&commands, "Baraka").await.unwrap();
    let key = async |role: Role| {
        let name = role.as_str();
        let user = setup::register_user(&commands, organization, name, role).await.unwrap();
        let meta = Meta::new(organization, Actor::System);
        (user, access::issue(&commands, &meta, user, role, "test").await.unwrap())
    };
    let [(user, owner), (_, agent)] = [key(Role::Owner).await, key(Role::Agent).await];
    let address = "owner@baraka.example";
    let (email, password) = (Email::parse(address).unwrap(), Password::new(PASSWORD).unwrap());
    let meta = Meta::new(organization, Actor::System);
    accounts::let_sign_in(&commands, &meta, user, &email, &password).await.unwrap();
    opened.close().await;
    Founded { owner, agent, login: json!({"email": address, "password": PASSWORD}) }
}
