//! A user's second factor: a seed that an authenticator app shares, and codes on paper for when
//! the app is lost.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Event};
use crate::secret::SecretRef;

#[derive(Debug)]
pub enum Command {
    /// Agrees on a seed; nothing asks for its codes before the first is confirmed.
    Enrol {
        seed: SecretRef,
    },
    /// The app showed the right code of this time step.
    Confirm {
        step: u64,
        recovery_codes: Vec<SecretRef>,
    },
    Pass {
        step: u64,
    },
    UseRecoveryCode {
        code: Uuid,
    },
    ReplaceRecoveryCodes {
        recovery_codes: Vec<SecretRef>,
    },
    RevokeRecoveryCode {
        code: Uuid,
    },
    Disable {
        /// Whether the organisation wants everybody to have one.
        required: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    pub seed: SecretRef,
    pub confirmed: bool,
    /// The time step of the newest code that was taken: older ones have had their time.
    pub last_step: u64,
    /// Recovery codes that are left.
    pub recovery_codes: Vec<SecretRef>,
}

pub(super) fn decide(state: Option<&SecondFactor>, command: Command) -> Result<Vec<Event>, Error> {
    let confirmed = state.filter(|factor| factor.confirmed);
    match (command, state) {
        (Command::Enrol { .. }, _) if confirmed.is_some() => Err(Error::SecondFactorActive),
        (Command::Enrol { seed }, _) => Ok(vec![Event::SecondFactorEnrolled { seed }]),
        (_, None) => Err(Error::NoSecondFactor),
        (Command::Confirm { .. }, _) if confirmed.is_some() => Err(Error::SecondFactorActive),
        (Command::Confirm { step, recovery_codes }, _) => {
            Ok(vec![Event::SecondFactorConfirmed { step, recovery_codes }])
        }
        (command, Some(factor)) if factor.confirmed => of_confirmed(factor, command),
        (_, Some(_)) => Err(Error::NoSecondFactor),
    }
}

fn of_confirmed(factor: &SecondFactor, command: Command) -> Result<Vec<Event>, Error> {
    let has = |code: Uuid| factor.recovery_codes.iter().any(|known| known.id == code);
    let left = factor.recovery_codes.len().saturating_sub(1);
    match command {
        Command::Pass { step } if step <= factor.last_step => Err(Error::CodeUsed),
        Command::Pass { step } => Ok(vec![Event::SecondFactorPassed { step }]),
        Command::UseRecoveryCode { code } if has(code) => {
            Ok(vec![Event::RecoveryCodeUsed { code, left }])
        }
        Command::RevokeRecoveryCode { code } if has(code) => {
            Ok(vec![Event::RecoveryCodeRevoked { code, left }])
        }
        Command::UseRecoveryCode { .. } | Command::RevokeRecoveryCode { .. } => {
            Err(Error::NoSuchRecoveryCode)
        }
        Command::ReplaceRecoveryCodes { recovery_codes } => {
            Ok(vec![Event::RecoveryCodesReplaced { recovery_codes }])
        }
        Command::Disable { required: true } => Err(Error::SecondFactorRequired),
        Command::Disable { required: false } => Ok(vec![Event::SecondFactorDisabled {}]),
        Command::Enrol { .. } | Command::Confirm { .. } => Err(Error::SecondFactorActive),
    }
}

pub(super) fn evolve(state: &mut Option<SecondFactor>, event: &Event) {
    match (event, state.as_mut()) {
        (Event::SecondFactorEnrolled { seed }, _) => {
            *state = Some(SecondFactor {
                seed: seed.clone(),
                confirmed: false,
                last_step: 0,
                recovery_codes: vec![],
            });
        }
        (Event::SecondFactorConfirmed { step, recovery_codes }, Some(factor)) => {
            factor.confirmed = true;
            factor.last_step = *step;
            factor.recovery_codes.clone_from(recovery_codes);
        }
        (Event::SecondFactorPassed { step }, Some(factor)) => factor.last_step = *step,
        (Event::RecoveryCodesReplaced { recovery_codes }, Some(factor)) => {
            factor.recovery_codes.clone_from(recovery_codes);
        }
        (
            Event::RecoveryCodeUsed { code, .. } | Event::RecoveryCodeRevoked { code, .. },
            Some(factor),
        ) => factor.recovery_codes.retain(|known| known.id != *code),
        (Event::SecondFactorDisabled {}, _) => *state = None,
        _ => {}
    }
}
