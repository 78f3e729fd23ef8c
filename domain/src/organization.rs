//! An organisation: the tenant on whose behalf everything else happens. What it wants of its
//! members, how it is shown, who owns it, and how it stands with the platform.

mod logo;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context, Role};
pub use logo::Logo;
pub use plan::{Limits, Plan};

#[derive(Debug)]
pub enum Command {
    Found {
        name: String,
    },
    Rename {
        name: String,
    },
    /// That there is such a zone, language or currency is checked where the lists of them are.
    SetTimezone {
        timezone: String,
    },
    SetLocale {
        locale: String,
    },
    SetCurrency {
        currency: Option<String>,
    },
    SetLogo {
        logo: Option<Logo>,
    },
    /// Wants a second factor of everybody, or no longer.
    RequireSecondFactor {
        required: bool,
        /// Whether who says so has one.
        own: bool,
        /// The role of who says so.
        by: Role,
    },
    /// Agents see only conversations that are theirs or nobody's, or all again.
    RestrictAgents {
        restricted: bool,
    },
    /// A member is an owner from now on, in the same unit of work.
    AddOwner {
        user: Uuid,
    },
    /// An owner is one no longer, or was deactivated, in the same unit of work.
    RemoveOwner {
        user: Uuid,
    },
    /// Somebody is an active member from now on, in the same unit of work.
    AddMember {
        user: Uuid,
    },
    /// Somebody was deactivated, in the same unit of work.
    RemoveMember {
        user: Uuid,
    },
    /// Who its active members are, for an organisation that has not counted them yet.
    CountMembers {
        members: BTreeSet<Uuid>,
    },
    SetPlan {
        plan: Plan,
        limits: Limits,
    },
    /// Nobody of it gets in before it is reactivated.
    Suspend {
        reason: String,
    },
    Reactivate,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Founded { name: String },
    Renamed { name: String },
    TimezoneSet { timezone: String },
    LocaleSet { locale: String },
    CurrencySet { currency: Option<String> },
    LogoSet { logo: Option<Logo> },
    SecondFactorRequirementSet { required: bool },
    AgentsRestrictionSet { restricted: bool },
    OwnerAdded { user: Uuid },
    OwnerRemoved { user: Uuid },
    MembersCounted { members: BTreeSet<Uuid> },
    MemberAdded { user: Uuid },
    MemberRemoved { user: Uuid },
    PlanSet { plan: Plan, limits: Limits },
    Suspended { reason: String },
    Reactivated {},
}

impl Event {
    /// Whether it tells how the organisation is set up, and not who belongs to it.
    pub fn is_of_settings(&self) -> bool {
        match self {
            Event::Founded { .. }
            | Event::Renamed { .. }
            | Event::TimezoneSet { .. }
            | Event::LocaleSet { .. }
            | Event::CurrencySet { .. }
            | Event::LogoSet { .. }
            | Event::SecondFactorRequirementSet { .. }
            | Event::AgentsRestrictionSet { .. }
            | Event::PlanSet { .. }
            | Event::Suspended { .. }
            | Event::Reactivated {} => true,
            Event::OwnerAdded { .. }
            | Event::OwnerRemoved { .. }
            | Event::MembersCounted { .. }
            | Event::MemberAdded { .. }
            | Event::MemberRemoved { .. } => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the organisation exists already")]
    AlreadyFounded,
    #[error("there is no such organisation")]
    NotFound,
    #[error("an organisation needs a name of 1 to 200 characters")]
    InvalidName,
    #[error("only an owner says whether everybody needs a second factor")]
    OwnersOnly,
    #[error("set up your own second factor before you require one of everybody")]
    OwnSecondFactorFirst,
    #[error("an organisation keeps an owner: make somebody else one first")]
    LastOwner,
    #[error(
        "a logo is an https address of at most 2000 characters, or a PNG, JPEG or WebP image of \
         at most 64 KiB as data:image/png;base64,…"
    )]
    InvalidLogo,
    #[error("tell in 1 to 500 characters why")]
    InvalidReason,
    #[error("the plan has room for {0} members: deactivate somebody, or ask for another plan")]
    NoSeatLeft(u32),
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Organization {
    pub name: Option<String>,
    pub timezone: Option<String>,
    pub locale: Option<String>,
    pub currency: Option<String>,
    pub logo: Option<Logo>,
    pub requires_second_factor: bool,
    pub agents_see_own_only: bool,
    pub owners: BTreeSet<Uuid>,
    /// Active ones; `None` before they are counted for the first time.
    pub members: Option<BTreeSet<Uuid>>,
    pub plan: Plan,
    pub limits: Limits,
    /// Why, while it is.
    pub suspended: Option<String>,
    /// How often it was set up otherwise: members who come and go leave that as it is.
    pub revision: i64,
}

impl Aggregate for Organization {
    const TYPE: &'static str = "organization";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        let Some(known_as) = &self.name else {
            return match command {
                Command::Found { name } => Ok(vec![Event::Founded { name: named(name)? }]),
                _ => Err(Error::NotFound),
            };
        };
        let (changes, event) = match command {
            Command::Found { .. } => return Err(Error::AlreadyFounded),
            Command::Rename { name } => (name != *known_as, Event::Renamed { name: named(name)? }),
            Command::SetTimezone { timezone } => {
                (self.timezone.as_ref() != Some(&timezone), Event::TimezoneSet { timezone })
            }
            Command::SetLocale { locale } => {
                (self.locale.as_ref() != Some(&locale), Event::LocaleSet { locale })
            }
            Command::SetCurrency { currency } => {
                (self.currency != currency, Event::CurrencySet { currency })
            }
            Command::SetLogo { logo } => (self.logo != logo, Event::LogoSet { logo }),
            Command::RequireSecondFactor { by, .. } if by != Role::Owner => {
                return Err(Error::OwnersOnly);
            }
            Command::RequireSecondFactor { required: true, own: false, .. }
                if !self.requires_second_factor =>
            {
                return Err(Error::OwnSecondFactorFirst);
            }
            Command::RequireSecondFactor { required, .. } => (
                self.requires_second_factor != required,
                Event::SecondFactorRequirementSet { required },
            ),
            Command::RestrictAgents { restricted } => {
                let event = Event::AgentsRestrictionSet { restricted };
                (self.agents_see_own_only != restricted, event)
            }
            Command::AddOwner { user } => {
                (!self.owners.contains(&user), Event::OwnerAdded { user })
            }
            Command::RemoveOwner { user } if self.owners.iter().all(|owner| *owner == user) => {
                return Err(Error::LastOwner);
            }
            Command::RemoveOwner { user } => {
                (self.owners.contains(&user), Event::OwnerRemoved { user })
            }
            Command::CountMembers { members } => {
                (self.members.is_none(), Event::MembersCounted { members })
            }
            Command::AddMember { user } if self.has_member(user) => return Ok(vec![]),
            Command::AddMember { user } => {
                self.seat()?;
                (true, Event::MemberAdded { user })
            }
            Command::RemoveMember { user } => {
                (self.has_member(user), Event::MemberRemoved { user })
            }
            Command::SetPlan { plan, limits } => {
                (self.plan != plan || self.limits != limits, Event::PlanSet { plan, limits })
            }
            Command::Suspend { reason } => {
                (self.suspended.is_none(), Event::Suspended { reason: explained(reason)? })
            }
            Command::Reactivate => (self.suspended.is_some(), Event::Reactivated {}),
        };
        Ok(if changes { vec![event] } else { vec![] })
    }

    fn evolve(&mut self, event: &Event) {
        self.revision += i64::from(event.is_of_settings());
        match event {
            Event::Founded { name } | Event::Renamed { name } => self.name = Some(name.clone()),
            Event::TimezoneSet { timezone } => self.timezone = Some(timezone.clone()),
            Event::LocaleSet { locale } => self.locale = Some(locale.clone()),
            Event::CurrencySet { currency } => self.currency.clone_from(currency),
            Event::LogoSet { logo } => self.logo.clone_from(logo),
            Event::SecondFactorRequirementSet { required } => {
                self.requires_second_factor = *required;
            }
            Event::AgentsRestrictionSet { restricted } => self.agents_see_own_only = *restricted,
            Event::OwnerAdded { user } => {
                self.owners.insert(*user);
            }
            Event::OwnerRemoved { user } => {
                self.owners.remove(user);
            }
            Event::MembersCounted { members } => self.members = Some(members.clone()),
            Event::MemberAdded { user } => {
                self.members.get_or_insert_default().insert(*user);
            }
            Event::MemberRemoved { user } => {
                self.members.get_or_insert_default().remove(user);
            }
            Event::PlanSet { plan, limits } => {
                self.plan = *plan;
                self.limits = limits.clone();
            }
            Event::Suspended { reason } => self.suspended = Some(reason.clone()),
            Event::Reactivated {} => self.suspended = None,
        }
    }

    fn version(&self, _: i64) -> i64 {
        self.revision
    }
}

impl Organization {
    /// Refuses where the plan has no room for one more member.
    pub fn seat(&self) -> Result<(), Error> {
        let taken = self.members.as_ref().map_or(0, BTreeSet::len);
        match self.limits.members {
            Some(seats) if taken >= seats as usize => Err(Error::NoSeatLeft(seats)),
            _ => Ok(()),
        }
    }

    fn has_member(&self, user: Uuid) -> bool {
        self.members.as_ref().is_some_and(|members| members.contains(&user))
    }
}

fn named(name: String) -> Result<String, Error> {
    let fits = !name.trim().is_empty() && name.chars().count() <= 200;
    if fits { Ok(name) } else { Err(Error::InvalidName) }
}

fn explained(reason: String) -> Result<String, Error> {
    let fits = !reason.trim().is_empty() && reason.chars().count() <= 500;
    if fits { Ok(reason) } else { Err(Error::InvalidReason) }
}
