//! Whether a nonce is served already: the chain is asked, and only from a height that counts.

use std::sync::Arc;
use std::time::Duration;

use super::Topic;
use crate::topic::window::FAILURE_DELAY_MIN;
use crate::values::payload::Payload;
use crate::values::units::{Height, Nonce};

/// The longest time before a node that is behind is asked again.
const BEHIND_DELAY_MAX: Duration = Duration::from_millis(500);

/// Why it is not known whether a nonce is served.
enum Unanswered {
    /// The node is not at the height that counts yet.
    Behind,
    /// The question failed.
    Failed(String),
}

impl From<String> for Unanswered {
    fn from(error: String) -> Unanswered {
        Unanswered::Failed(error)
    }
}

impl Topic {
    /// Asks the chain whether the nonce is served; only a height at or above `from` counts.
    pub(super) fn ask_served(&mut self, nonce: Nonce, from: Height) {
        match self.try_ask_served(nonce, from) {
            Ok(true) => self.served(nonce),
            Ok(false) => self.not_served(nonce),
            Err(Unanswered::Behind) => self.wait_for_height(from),
            Err(Unanswered::Failed(error)) => self.attempt_failed(error),
        }
    }

    /// The answer is awaited from a height that is not there yet: asked again when it should be,
    /// and ever more slowly while no block comes.
    pub(super) fn wait_for_height(&mut self, height: Height) {
        let clock = self.shared.chain.lcd.clock();
        let (now, pace) = self.now_and_pace();
        let soon = (clock.block_time() / 5).clamp(FAILURE_DELAY_MIN, BEHIND_DELAY_MAX);
        let halted = (pace.height_age / 8).min(self.memory.delay_max(&pace));
        let soon = now + soon.max(halted);
        let expected = clock.time_of(height).filter(|_| clock.is_measured());
        if let Some(attempt) = &mut self.memory.attempt {
            attempt.not_before = Some(expected.unwrap_or(soon).max(soon));
        }
    }

    fn try_ask_served(&mut self, nonce: Nonce, from: Height) -> Result<bool, Unanswered> {
        let chain = Arc::clone(&self.shared.chain);
        let api = chain
            .api()
            .ok_or_else(|| "the emissions version is unknown".to_owned())?;
        let turn = Self::turn(&self.shared.turns, &self.shared.stop);
        let (lcd, by_inference) = (self.lcd(), self.is_for_inference());
        let answer = match by_inference {
            true => lcd.inferer_score_ema(api, self.id, &chain.address),
            false => lcd.forecaster_score_ema(api, self.id, &chain.address),
        };
        let answer = chain.heard(answer);
        drop(turn);
        let answer = answer.map_err(|error| self.refused_query(&error))?;
        let Some(height) = answer
            .height
            .filter(|height| answer.fresh && *height >= from)
        else {
            return Err(Unanswered::Behind);
        };
        let served = answer.value.is_some_and(|height| height >= nonce.height());
        if let Some(attempt) = self
            .memory
            .attempt
            .as_mut()
            .filter(|_| !served && by_inference)
        {
            attempt.not_served_at = Some(height);
        }
        Ok(served)
    }

    /// Whether the nonce is served by an inference, or by a forecast alone: what was made ready
    /// for it says so, or else the settings.
    pub(super) fn is_for_inference(&self) -> bool {
        match self.ready_payload() {
            Some(payload) => payload.inference().is_some(),
            None => self.config.inference.is_some(),
        }
    }

    /// What was made ready for the nonce at work.
    pub(super) fn ready_payload(&self) -> Option<&Payload> {
        let attempt = self.memory.attempt.as_ref()?;
        attempt.ready.as_ref().map(|ready| &ready.payload)
    }
}
