//! What an organisation decides about itself, and what it refuses.

use super::*;
use crate::aggregate::decide_after;

const ANN: Uuid = Uuid::from_u128(7);
const BEN: Uuid = Uuid::from_u128(8);

fn founded() -> Event {
    Event::Founded { name: "Baraka".into() }
}

fn decide(events: &[Event], command: Command) -> Result<Vec<Event>, Error> {
    let history = [&[founded()], events].concat();
    decide_after::<Organization>(&history, command)
}

#[test]
fn who_has_no_second_factor_requires_none_of_others() {
    let require = |required, own| {
        decide(&[], Command::RequireSecondFactor { required, own, by: Role::Owner })
    };
    assert_eq!(require(true, false), Err(Error::OwnSecondFactorFirst));
    let set = Event::SecondFactorRequirementSet { required: true };
    assert_eq!(require(true, true), Ok(vec![set.clone()]));
    assert_eq!(require(false, false), Ok(vec![]));
    let again = Command::RequireSecondFactor { required: true, own: false, by: Role::Owner };
    assert_eq!(decide(&[set], again), Ok(vec![]));
}

#[test]
fn only_an_owner_says_what_everybody_needs() {
    let admins = Command::RequireSecondFactor { required: true, own: true, by: Role::Admin };
    assert_eq!(decide(&[], admins), Err(Error::OwnersOnly));
}

#[test]
fn an_organisation_keeps_an_owner() {
    let added = |user| Event::OwnerAdded { user };
    let remove = |user| Command::RemoveOwner { user };
    assert_eq!(decide(&[added(ANN)], remove(ANN)), Err(Error::LastOwner));
    let removed = Event::OwnerRemoved { user: ANN };
    assert_eq!(decide(&[added(ANN), added(BEN)], remove(ANN)), Ok(vec![removed.clone()]));
    let history = [added(ANN), added(BEN), removed];
    assert_eq!(decide(&history, remove(BEN)), Err(Error::LastOwner));
    assert_eq!(decide(&history, remove(ANN)), Ok(vec![]));
}

#[test]
fn while_nobody_knows_who_else_owns_it_no_owner_leaves() {
    assert_eq!(decide(&[], Command::RemoveOwner { user: ANN }), Err(Error::LastOwner));
}

#[test]
fn a_plan_has_room_for_so_many_members_and_no_more() {
    let (one, two) = (Event::MemberAdded { user: ANN }, Event::MemberAdded { user: BEN });
    let limits = Limits { members: Some(1), ..Limits::default() };
    let limited = Event::PlanSet { plan: Plan::Starter, limits };
    let counted = Event::MembersCounted { members: BTreeSet::from([ANN]) };
    let add = |user| Command::AddMember { user };
    assert_eq!(decide(std::slice::from_ref(&one), add(BEN)), Ok(vec![two]));
    for full in [[limited.clone(), one], [counted, limited]] {
        assert_eq!(decide(&full, add(BEN)), Err(Error::NoSeatLeft(1)));
        assert_eq!(decide(&full, add(ANN)), Ok(vec![]));
        let left = decide(&full, Command::RemoveMember { user: ANN });
        assert_eq!(left, Ok(vec![Event::MemberRemoved { user: ANN }]));
        let history = [&full[..], &[Event::MemberRemoved { user: ANN }]].concat();
        assert_eq!(decide(&history, add(BEN)), Ok(vec![Event::MemberAdded { user: BEN }]));
    }
}

#[test]
fn members_are_counted_once() {
    let members = BTreeSet::from([ANN, BEN]);
    let count = || Command::CountMembers { members: members.clone() };
    let counted = Event::MembersCounted { members: members.clone() };
    assert_eq!(decide(&[], count()), Ok(vec![counted.clone()]));
    assert_eq!(decide(&[counted], count()), Ok(vec![]));
}

#[test]
fn a_setting_that_is_so_already_is_no_news() {
    let set = Event::TimezoneSet { timezone: "Africa/Nairobi".into() };
    let command = || Command::SetTimezone { timezone: "Africa/Nairobi".into() };
    assert_eq!(decide(&[], command()), Ok(vec![set.clone()]));
    assert_eq!(decide(&[set], command()), Ok(vec![]));
    assert_eq!(decide(&[], Command::Rename { name: "Baraka".into() }), Ok(vec![]));
    assert_eq!(decide(&[], Command::Rename { name: " ".into() }), Err(Error::InvalidName));
    assert_eq!(decide(&[], Command::RestrictAgents { restricted: false }), Ok(vec![]));
}

#[test]
fn an_organisation_is_suspended_for_a_reason_and_once() {
    let suspend = |reason: &str| Command::Suspend { reason: reason.into() };
    let suspended = Event::Suspended { reason: "Unpaid".into() };
    assert_eq!(decide(&[], suspend("Unpaid")), Ok(vec![suspended.clone()]));
    assert_eq!(decide(&[], suspend("")), Err(Error::InvalidReason));
    let history = [suspended];
    assert_eq!(decide(&history, suspend("Unpaid still")), Ok(vec![]));
    assert_eq!(decide(&history, Command::Reactivate), Ok(vec![Event::Reactivated {}]));
    assert_eq!(decide(&[], Command::Reactivate), Ok(vec![]));
}

#[test]
fn nothing_is_decided_about_an_organisation_that_is_not() {
    let rename = Command::Rename { name: "Baraka".into() };
    assert_eq!(decide_after::<Organization>(&[], rename), Err(Error::NotFound));
}
