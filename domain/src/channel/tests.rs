//! What a channel of either provider can be told, and what changes nothing.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::aggregate::decide_after;

fn secret(fingerprint: &str) -> SecretRef {
    SecretRef { id: Uuid::from_u128(41), fingerprint: fingerprint.into() }
}

fn line() -> Connected {
    Connected {
        provider: Provider::Whatsapp,
        name: "Shop line".into(),
        account: "1097".into(),
        line: "1044".into(),
        display_phone_number: None,
        app_secret: secret("app"),
        verify_token: secret("verify"),
        access_token: None,
        when_closed: WhenClosed::Reopen,
    }
}

fn account() -> Account {
    Account { name: "Till".into(), api_token: secret("api"), callback_key: None }
}

fn of_line(command: Command) -> Result<Vec<Event>, Error> {
    decide_after::<Channel>(&[Event::Connected(line())], command)
}

fn of_account(command: Command) -> Result<Vec<Event>, Error> {
    decide_after::<Channel>(&[Event::PawapayConnected(account())], command)
}

#[test]
fn a_channel_is_connected_once_and_to_one_provider() {
    let connected = decide_after::<Channel>(&[], Command::Connect(line()));
    assert_eq!(connected, Ok(vec![Event::Connected(line())]));
    assert_eq!(of_line(Command::ConnectPawapay(account())), Err(Error::AlreadyConnected));
    assert_eq!(of_account(Command::Connect(line())), Err(Error::AlreadyConnected));
    assert_eq!(decide_after::<Channel>(&[], Command::Disconnect), Err(Error::NotConnected));
}

#[test]
fn a_line_that_makes_no_sense_is_not_connected() {
    let refused = |change: fn(&mut Connected)| {
        let mut line = line();
        change(&mut line);
        decide_after::<Channel>(&[], Command::Connect(line)).unwrap_err()
    };
    assert_eq!(refused(|line| line.name = " ".into()), Error::InvalidName);
    assert_eq!(refused(|line| line.account = "Baraka".into()), Error::InvalidAccount);
    assert_eq!(refused(|line| line.line = "+15550100200".into()), Error::InvalidLine);
    let words = |line: &mut Connected| line.display_phone_number = Some("our line".into());
    assert_eq!(refused(words), Error::InvalidDisplayNumber);
}

#[test]
fn a_secret_is_replaced_only_by_another_one_of_its_kind() {
    let replace =
        |which, fingerprint| Command::ReplaceSecret { which, secret: secret(fingerprint) };
    let token = of_line(replace(SecretKind::AccessToken, "access")).unwrap();
    let mut channel = Channel::default();
    channel.evolve(&Event::Connected(line()));
    token.iter().for_each(|event| channel.evolve(event));
    let kinds: Vec<SecretKind> = channel.secrets().into_iter().map(|(kind, _)| kind).collect();
    let all = [SecretKind::AppSecret, SecretKind::VerifyToken, SecretKind::AccessToken];
    assert_eq!(kinds, all);
    assert_eq!(of_line(replace(SecretKind::AppSecret, "app")), Ok(vec![]));
    let other = Error::OtherProvider { provider: Provider::Whatsapp };
    assert_eq!(of_line(replace(SecretKind::ApiToken, "api")), Err(other));
    assert!(of_account(replace(SecretKind::ApiToken, "new")).is_ok_and(|events| events.len() == 1));
}

#[test]
fn what_only_the_other_provider_has_is_refused() {
    let of_pawapay = Error::OtherProvider { provider: Provider::Pawapay };
    let reopen = || Command::ChooseWhenClosed(WhenClosed::Reopen);
    assert_eq!(of_account(reopen()), Err(of_pawapay));
    assert_eq!(of_line(reopen()), Ok(vec![]));
    let of_whatsapp = Error::OtherProvider { provider: Provider::Whatsapp };
    assert_eq!(of_line(Command::TrustCallbackKey(None)), Err(of_whatsapp));
}

#[test]
fn it_is_disconnected_until_it_is_connected_again() {
    assert_eq!(of_line(Command::Disconnect), Ok(vec![Event::Disconnected {}]));
    assert_eq!(of_line(Command::Reconnect), Ok(vec![]));
    let history = [Event::Connected(line()), Event::Disconnected {}];
    assert_eq!(decide_after::<Channel>(&history, Command::Disconnect), Ok(vec![]));
    let again = decide_after::<Channel>(&history, Command::Reconnect);
    assert_eq!(again, Ok(vec![Event::Reconnected {}]));
}
