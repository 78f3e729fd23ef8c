//! Scratch.
#![allow(clippy::unwrap_used, clippy::too_many_lines)]
use commands::{Commands, Meta, access, setup};
use domain::Actor;
use domain::aggregate::Role;
use event_store::database::Connections;
use event_store::embedded::{self, Embedded};
use event_store::{Clock, Database, MasterKey, Store};

use crate::{Application, State};

#[actix_web::test]
#[ignore]
async fn serve() {
    let dir = std::path::PathBuf::from("/var/lib/verbatim-api-scratch");
    std::fs::create_dir_all(&dir).unwrap();
    let master = MasterKey::from_file(&dir.join("master.key")).unwrap();
    let pg = Embedded::start(&embedded::Settings { dir, durable: true }).await.unwrap();
    let database = Database::open(pg.options(), Connections::default(), true).await.unwrap();
    let store = Store::open(database.app.clone(), master, Clock::Database).await.unwrap();
    projections::live::prepare(&database, &store).await.unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let w = tokio::task::spawn(projections::live::run(database.clone(), store.clone(), stopped.clone()));
    let w2 = tokio::task::spawn(projections::search::run(database.clone(), store.clone(), stopped));
    let commands = Commands::new(store);
    let mut out = String::new();
    for n in ["A", "B"] {
        let org = setup::found_organization(&commands, n).await.unwrap();
        for (name, role) in [("owner", Role::Owner), ("agent", Role::Agent), ("auditor", Role::Auditor)] {
            let user = setup::register_user(&commands, org, name, role).await.unwrap();
            let meta = Meta::new(org, Actor::System);
            let key = access::issue(&commands, &meta, user, role, name).await.unwrap();
            out += &format!("{n}_{name}={key}\n{n}_{name}_id={user}\n");
        }
        let channel = setup::connect_channel(&commands, org, setup::NewChannel {
            name: "line".into(), account: "1".into(), line: "106540352242922".into(),
            display_phone_number: None, app_secret: "s3cret".into(), verify_token: "tok".into(),
            when_closed: domain::channel::WhenClosed::Reopen,
        }).await.unwrap();
        out += &format!("{n}_channel={channel}\n");
    }
    let state = State::new(commands, database.clone(), None);
    let app = Application::bind(state, "127.0.0.1:0").await.unwrap();
    out += &format!("base=http://{}\n", app.address());
    std::fs::write("/tmp/api-scratch.env", out).unwrap();
    let until = async {
        while std::fs::exists("/tmp/api-scratch.env").unwrap() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let started = std::time::Instant::now();
    app.run(until).await.unwrap();
    println!("{} stopped after {:?}", chrono::Utc::now(), started.elapsed());
    stop.send(true).unwrap();
    w.await.unwrap(); w2.await.unwrap();
    database.close().await;
    pg.stop().await.unwrap();
}
