//! What a person may rely on when the embedded cluster, or the program that holds it, is killed.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::{
    Embedded, EmbeddedError, Settings, default_data_dir, make_private_dir, reachable_or, running,
};

/// A data directory of one test, removed when the test ends.
struct Scratch(Settings);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = env::temp_dir().join(format!("embedded-{}-{name}", std::process::id()));
        Scratch(Settings { dir, durable: true })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0.dir);
    }
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    sqlx::query_scalar(&format!("SHOW {name}")).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_committed_row_outlives_a_killed_server() {
    let scratch = Scratch::new("killed");
    let first = Embedded::start(&scratch.0).await.unwrap();
    let mut connection = first.options().connect().await.unwrap();
    connection.execute("CREATE TABLE kept (note text)").await.unwrap();
    connection.execute("INSERT INTO kept VALUES ('paid')").await.unwrap();
    let killed = first.pid().unwrap();
    kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
    drop(first);

    let second = Embedded::start(&scratch.0).await.unwrap();
    assert_ne!(second.pid(), Some(killed));
    let mut connection = PgConnection::connect(&second.url()).await.unwrap();
    let note: String =
        sqlx::query_scalar("SELECT note FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(note, "paid");
    for (name, value) in [("fsync", "on"), ("data_checksums", "on"), ("listen_addresses", "")] {
        assert_eq!(setting(&mut connection, name).await, value, "{name}");
    }
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_that_nobody_waited_for_is_no_obstacle() {
    let scratch = Scratch::new("zombie");
    let first = Embedded::start(&scratch.0).await.unwrap();
    let zombie = Pid::from_raw(first.pid().unwrap());
    first.leave_running();
    kill(zombie, Signal::SIGKILL).unwrap();
    let second = Embedded::start(&scratch.0).await.unwrap();
    assert!(kill(zombie, None).is_ok(), "its number is still taken");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_program_on_the_same_data_is_refused_in_one_line() {
    let scratch = Scratch::new("second");
    let first = Embedded::start(&scratch.0).await.unwrap();
    let refusal = Embedded::start(&scratch.0).await.err().unwrap();
    assert!(matches!(refusal, EmbeddedError::InUse(_)));
    assert_eq!(refusal.to_string().lines().count(), 1);
    assert!(running(&scratch.0.dir).await.is_some(), "a tool may attach beside it");
    first.stop().await.unwrap();
    assert!(running(&scratch.0.dir).await.is_none());
}

#[tokio::test]
async fn a_server_whose_program_was_killed_is_taken_over() {
    let scratch = Scratch::new("orphan");
    let first = Embedded::start(&scratch.0).await.unwrap();
    let pid = first.pid();
    first.leave_running();
    let second = Embedded::start(&scratch.0).await.unwrap();
    assert_eq!(second.pid(), pid);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_runs_without_fsync_is_not_taken_over_for_data_that_matters() {
    let scratch = Scratch::new("careless");
    let careless = Settings { dir: scratch.0.dir.clone(), durable: false };
    Embedded::start(&careless).await.unwrap().leave_running();
    let careful = Embedded::start(&scratch.0).await.unwrap();
    let mut connection = careful.options().connect().await.unwrap();
    assert_eq!(setting(&mut connection, "fsync").await, "on");
    careful.stop().await.unwrap();
}

#[tokio::test]
async fn a_data_directory_deep_down_has_a_short_socket_path() {
    let scratch = Scratch::new("deep");
    let dir = scratch.0.dir.join("a long name with blanks ".repeat(6));
    let deep = Embedded::start(&Settings { dir: dir.clone(), durable: true }).await.unwrap();
    let socket = deep.options().get_socket().unwrap().clone();
    assert!(socket.as_os_str().len() < 40, "{}", socket.display());
    PgConnection::connect(&deep.url()).await.unwrap();
    assert!(running(&dir).await.is_some());
    deep.stop().await.unwrap();
    assert!(!socket.exists());
}

#[test]
fn data_goes_where_the_database_user_can_reach_it() {
    assert!(
        [PathBuf::from("./data"), PathBuf::from("/var/lib/verbatim")].contains(&default_data_dir())
    );
    let open = env::temp_dir().join("not/there/yet");
    assert_eq!(reachable_or(open.clone(), "/elsewhere"), open);
}

fn mode(dir: &Path) -> u32 {
    dir.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_else_may_look_into_a_data_directory() {
    let scratch = Scratch::new("rights");
    let dir = &scratch.0.dir;
    let wished = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
    Embedded::start(&scratch.0).await.unwrap().stop().await.unwrap();
    assert_eq!(mode(dir), wished, "made");
    fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    Embedded::start(&scratch.0).await.unwrap().stop().await.unwrap();
    assert_eq!(mode(dir), wished, "made before, with rights that are too wide");
}

#[test]
fn a_directory_for_keys_alone_is_closed_but_not_one_that_holds_other_things() {
    let scratch = Scratch::new("keys");
    let dir = &scratch.0.dir;
    make_private_dir(dir).unwrap();
    assert_eq!(mode(dir), 0o700);
    fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    fs::write(dir.join("letter.txt"), "").unwrap();
    make_private_dir(dir).unwrap();
    assert_eq!(mode(dir), 0o755, "it is somebody's own");
    fs::write(dir.join("master.key"), "").unwrap();
    make_private_dir(dir).unwrap();
    assert_eq!(mode(dir), 0o700);
}
