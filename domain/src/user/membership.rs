//! What is decided about a member, by somebody with a role of their own: nobody decides about
//! those above them, and nobody lifts anybody above themselves.

use super::{Error, Event, named};
use crate::Personal;
use crate::aggregate::Role;

#[derive(Debug)]
pub struct Command {
    /// The role of who decides.
    pub by: Role,
    pub decision: Decision,
}

#[derive(Debug)]
pub enum Decision {
    Rename {
        name: Personal<String>,
    },
    ChangeRole {
        role: Role,
    },
    /// Sessions end, and what they had to do is nobody's.
    Deactivate {
        /// Whether they decide about themselves.
        own: bool,
    },
    Reactivate,
}

pub(super) fn decide(role: Role, deactivated: bool, command: Command) -> Result<Vec<Event>, Error> {
    let Command { by, decision } = command;
    if !role.is_within(by) {
        return Err(Error::AboveOwnRole);
    }
    match decision {
        Decision::Reactivate if !deactivated => Ok(vec![]),
        Decision::Reactivate => Ok(vec![Event::Reactivated { role }]),
        Decision::Deactivate { own: true } => Err(Error::OwnDeactivation),
        Decision::Deactivate { .. } if deactivated => Ok(vec![]),
        Decision::Deactivate { .. } => Ok(vec![Event::Deactivated { role }]),
        _ if deactivated => Err(Error::Deactivated),
        Decision::Rename { name } => Ok(vec![Event::Renamed { name: named(name)? }]),
        Decision::ChangeRole { role: to } if !to.is_within(by) => Err(Error::AboveOwnRole),
        Decision::ChangeRole { role: to } if to == role => Ok(vec![]),
        Decision::ChangeRole { role: to } => Ok(vec![Event::RoleChanged { from: role, to }]),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::aggregate::Aggregate;
    use crate::aggregate::decide_after;
    use crate::user::{self, User};

    fn registered(role: Role) -> Event {
        Event::Registered { name: name("Otieno"), role }
    }

    fn name(text: &str) -> Personal<String> {
        Personal::identity(Uuid::from_u128(7), text.to_owned())
    }

    fn decide(history: &[Event], by: Role, decision: Decision) -> Result<Vec<Event>, Error> {
        decide_after::<User>(history, user::Command::Membership(Command { by, decision }))
    }

    fn gone(role: Role) -> [Event; 2] {
        [registered(role), Event::Deactivated { role }]
    }

    #[test]
    fn nobody_is_lifted_above_who_lifts_them() {
        let lift = |role| decide(&[registered(Role::Agent)], Role::Admin, change(role));
        let lifted = Event::RoleChanged { from: Role::Agent, to: Role::Admin };
        assert_eq!(lift(Role::Admin), Ok(vec![lifted]));
        assert_eq!(lift(Role::Owner), Err(Error::AboveOwnRole));
        assert_eq!(lift(Role::Agent), Ok(vec![]));
    }

    fn change(role: Role) -> Decision {
        Decision::ChangeRole { role }
    }

    #[test]
    fn nobody_decides_about_who_is_above_them() {
        for decision in [
            change(Role::Agent),
            Decision::Deactivate { own: false },
            Decision::Rename { name: name("Ann") },
        ] {
            let refused = decide(&[registered(Role::Owner)], Role::Admin, decision);
            assert_eq!(refused, Err(Error::AboveOwnRole));
        }
        let back = decide(&gone(Role::Owner), Role::Admin, Decision::Reactivate);
        assert_eq!(back, Err(Error::AboveOwnRole));
    }

    #[test]
    fn who_was_deactivated_comes_back_in_the_same_role() {
        let role = Role::Supervisor;
        let back = |history: &[Event]| decide(history, Role::Admin, Decision::Reactivate);
        assert_eq!(back(&gone(role)), Ok(vec![Event::Reactivated { role }]));
        assert_eq!(back(&gone(role)[..1]), Ok(vec![]));
        assert_eq!(decide(&gone(role), Role::Admin, change(Role::Agent)), Err(Error::Deactivated));
        let again = Decision::Deactivate { own: false };
        assert_eq!(decide(&gone(role), Role::Admin, again), Ok(vec![]));
    }

    #[test]
    fn sessions_that_ended_stay_over_when_somebody_comes_back() {
        let mut user = User::default();
        gone(Role::Agent).iter().for_each(|event| user.evolve(event));
        let ended = user.generation - 1;
        user.evolve(&Event::Reactivated { role: Role::Agent });
        assert_eq!(user.active_role(), Some(Role::Agent));
        assert!(!user.keeps(Uuid::from_u128(21), ended));
    }

    #[test]
    fn nobody_deactivates_themselves() {
        let own = Decision::Deactivate { own: true };
        let refused = decide(&[registered(Role::Admin)], Role::Admin, own);
        assert_eq!(refused, Err(Error::OwnDeactivation));
    }

    #[test]
    fn a_new_name_is_a_name() {
        let rename = |text| {
            let history = [registered(Role::Agent)];
            decide(&history, Role::Agent, Decision::Rename { name: name(text) })
        };
        assert_eq!(rename("Otieno Odhiambo").map(|events| events.len()), Ok(1));
        assert_eq!(rename("  "), Err(Error::InvalidName));
    }
}
