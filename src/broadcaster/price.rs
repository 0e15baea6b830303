//! The gas price: read from the chain and kept for a while. No endpoint is believed alone where it
//! would be expensive: a price far above the last one is confirmed by another endpoint or by time
//! before it is paid, and a fee that an endpoint requires is compared with what another one says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::warn;

use crate::broadcaster::order::SendTrouble;
use crate::chain::Chain;
use crate::chain::endpoints::EndpointId;
use crate::chain::lcd::{Answer, Lcd};
use crate::values::fee::{self, GasPrice};
use crate::values::units::{Gas, Uallo};

/// How old a gas price may be before a window opens: after a change, and once it has been the same
/// for a while. It moves by an eighth per full block at most; a fee that is too low is refused at no
/// cost with the right one named (protocol.md section 6), one that is too high is charged.
const PRICE_AGE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(120));
/// An older price is asked for again before anything is sent.
const PRICE_AGE_MAX: Duration = Duration::from_secs(300);
/// A price above this many times the last one is confirmed before it is paid: the chain needs 20
/// full blocks in a row for that.
const STEEP_FACTOR: u128 = 10;
/// Where no other endpoint confirms it, it is paid once it was named for this long.
const STEEP_BELIEVED_AFTER: Duration = Duration::from_secs(60);

/// What to think of a fee that a node requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    Fits,
    /// Far above the price, or not above the fee that was offered.
    Lie,
    /// The price cannot be read, or has to be confirmed first.
    Unverified,
}

#[derive(Debug)]
pub(super) struct Prices {
    chain: Arc<Chain>,
    newest: Option<Price>,
    course: Course,
}

/// A gas price with the time of its answer.
#[derive(Clone, Copy, Debug)]
struct Price {
    price: GasPrice,
    at: Instant,
    /// At this age it is asked for again before a window.
    age_max: Duration,
    /// Who said so; another endpoint is asked for its own.
    endpoint: EndpointId,
}

impl Prices {
    pub(super) fn new(chain: Arc<Chain>) -> Prices {
        Prices {
            chain,
            newest: None,
            course: Course::default(),
        }
    }

    /// Whether a price is known that is recent enough before a window.
    pub(super) fn is_recent(&self) -> bool {
        let is_recent = |price: Price| price.at.elapsed() < price.age_max;
        self.newest.is_some_and(is_recent)
    }

    /// The price is asked for before it is used again.
    pub(super) fn forget(&mut self) {
        self.newest = None;
    }

    /// The price according to the endpoint in use, asked for if it is unknown or old.
    pub(super) fn current(&mut self) -> Result<GasPrice, SendTrouble> {
        let endpoint = self.chain.lcd.current_endpoint();
        let is_new = |price: &Price| price.at.elapsed() < PRICE_AGE_MAX;
        match self.newest.filter(is_new) {
            Some(price) if price.endpoint == endpoint => Ok(price.price),
            _ => self.ask(&self.chain.lcd.clone()),
        }
    }

    pub(super) fn ask(&mut self, lcd: &Lcd) -> Result<GasPrice, SendTrouble> {
        let answer = self.chain.heard(lcd.gas_price())?;
        let price = parsed(&answer)?;
        self.accept(price, answer.endpoint)
    }

    /// What to think of a fee that `demander` requires for this gas limit instead of `offered`. The
    /// price is asked of another endpoint for this, where there is one: a node may require any fee,
    /// and the chain would take the whole of it.
    pub(super) fn judge(
        &mut self,
        required: Uallo,
        offered: Uallo,
        gas_limit: Gas,
        demander: EndpointId,
    ) -> Demand {
        let believed = self.course.believed;
        let Ok((price, endpoint)) = self.elsewhere(demander) else {
            return Demand::Unverified;
        };
        let fits = |price| {
            let fee = fee::fee(gas_limit, price);
            required > offered && fee.is_some_and(|fee| fee::is_believable(required, fee))
        };
        if fits(price) {
            let accepted = self.accept(price, endpoint);
            return accepted.map_or(Demand::Unverified, |_| Demand::Fits);
        }
        // why: where the other endpoint names less, it may be the one that is wrong
        if believed.is_some_and(fits) {
            return Demand::Fits;
        }
        // What such a node says about the price is not used for the next fee either.
        self.newest = None;
        Demand::Lie
    }

    /// Whether another endpoint names a price that `is_affordable`, where the endpoint in use names
    /// one that is not. That endpoint is left then.
    pub(super) fn is_affordable_elsewhere(
        &mut self,
        is_affordable: impl Fn(GasPrice) -> bool,
    ) -> bool {
        let Some(endpoint) = self.newest.take().map(|price| price.endpoint) else {
            return false;
        };
        let other = self.elsewhere(endpoint).ok();
        let is_better =
            |(price, by): (GasPrice, EndpointId)| by != endpoint && is_affordable(price);
        let is_left = other.is_some_and(is_better);
        if is_left {
            let why = "names a gas price that is too high, unlike another one";
            self.chain.lcd.set_aside(endpoint, why);
        }
        is_left
    }

    /// The price according to another endpoint than this one, if there is another one.
    fn elsewhere(&self, not: EndpointId) -> Result<(GasPrice, EndpointId), SendTrouble> {
        let answer = self.chain.heard(self.chain.lcd.gas_price_elsewhere(not))?;
        Ok((parsed(&answer)?, answer.endpoint))
    }

    /// Keeps a price that an endpoint names, unless it has to be confirmed first.
    fn accept(&mut self, price: GasPrice, endpoint: EndpointId) -> Result<GasPrice, SendTrouble> {
        let now = Instant::now();
        let is_confirmed = self.course.is_steep(price)
            && self
                .elsewhere(endpoint)
                .is_ok_and(|(other, by)| by != endpoint && !price.is_above(other, STEEP_FACTOR));
        if let Err(Unconfirmed {
            believed,
            wait,
            is_new,
        }) = self.course.take(price, is_confirmed, now)
        {
            let name = self.chain.lcd.endpoint_name(endpoint).to_owned();
            let text = format!(
                "{name} names a gas price of {price} uallo after {believed}: it is paid once another \
                 endpoint confirms it, or in {} s",
                wait.as_secs()
            );
            if is_new {
                warn!("{text}");
            }
            self.newest = None;
            let why = "names a gas price that is not confirmed";
            self.chain.lcd.set_aside(endpoint, why);
            return Err(SendTrouble::Temporary(text));
        }
        self.newest = Some(Price {
            price,
            at: now,
            age_max: self.course.age_max(now),
            endpoint,
        });
        self.chain.board.gas_price(price);
        Ok(price)
    }
}

fn parsed(answer: &Answer<String>) -> Result<GasPrice, SendTrouble> {
    let invalid = |error| format!("the gas price is not a valid number: {error}");
    let price = GasPrice::parse(&answer.value);
    price.map_err(|error| SendTrouble::Temporary(invalid(error)))
}

/// The price that was believed last, since when it has not changed, and since when one far above it
/// is named. Pure.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    believed: Option<GasPrice>,
    unchanged_since: Option<Instant>,
    steep_since: Option<Instant>,
}

/// A price that is not paid yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unconfirmed {
    /// The price that was believed last.
    believed: GasPrice,
    /// Until it is believed.
    wait: Duration,
    /// No such price was named before.
    is_new: bool,
}

impl Course {
    fn is_steep(&self, price: GasPrice) -> bool {
        // why: nearly everything is far above a price of 0
        let is_steep =
            |believed: GasPrice| price.is_above(believed.max(GasPrice::USUAL_MIN), STEEP_FACTOR);
        self.believed.is_some_and(is_steep)
    }

    /// Takes the next price.
    ///
    /// # Errors
    /// It is far above the last one, and neither another endpoint nor time has confirmed it.
    fn take(
        &mut self,
        price: GasPrice,
        is_confirmed: bool,
        now: Instant,
    ) -> Result<(), Unconfirmed> {
        if let Some(believed) = self.believed
            && self.is_steep(price)
            && !is_confirmed
        {
            let is_new = self.steep_since.is_none();
            let since = *self.steep_since.get_or_insert(now);
            let named_for = now.saturating_duration_since(since);
            let wait = STEEP_BELIEVED_AFTER.saturating_sub(named_for);
            if !wait.is_zero() {
                return Err(Unconfirmed {
                    believed,
                    wait,
                    is_new,
                });
            }
        }
        self.steep_since = None;
        if self.believed != Some(price) {
            self.unchanged_since = Some(now);
        }
        self.believed = Some(price);
        Ok(())
    }

    /// How old the price that is believed now may become: twice the time without a change, within
    /// [`PRICE_AGE`].
    fn age_max(&self, now: Instant) -> Duration {
        let (least, most) = PRICE_AGE;
        let since = self.unchanged_since;
        let unchanged = since.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        unchanged.saturating_mul(2).clamp(least, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(uallo: u64) -> GasPrice {
        GasPrice::parse(&uallo.to_string()).unwrap()
    }

    #[test]
    fn a_steep_price_waits_for_another_endpoint_or_for_its_time() {
        let now = Instant::now();
        let mut course = Course::default();
        assert_eq!(
            course.take(price(100), false, now),
            Ok(()),
            "nothing is known yet"
        );
        assert_eq!(
            course.take(price(1_000), false, now),
            Ok(()),
            "ten times in one step"
        );
        let refused = Unconfirmed {
            believed: price(1_000),
            wait: STEEP_BELIEVED_AFTER,
            is_new: true,
        };
        assert_eq!(course.take(price(10_001), false, now), Err(refused));
        let later = now + STEEP_BELIEVED_AFTER / 2;
        let again = course.take(price(20_000), false, later).unwrap_err();
        assert_eq!(
            (again.wait, again.is_new),
            (STEEP_BELIEVED_AFTER / 2, false)
        );
        let after = now + STEEP_BELIEVED_AFTER;
        assert_eq!(course.take(price(20_000), false, after), Ok(()));
        assert_eq!(
            course.take(price(300_000), true, after),
            Ok(()),
            "confirmed"
        );
    }

    #[test]
    fn a_price_is_kept_for_longer_the_longer_it_is_unchanged() {
        let start = Instant::now();
        let mut course = Course::default();
        let mut kept = |uallo, after_s| {
            let now = start + Duration::from_secs(after_s);
            course.take(price(uallo), true, now).unwrap();
            course.age_max(now).as_secs()
        };
        assert_eq!(kept(10, 0), 30);
        assert_eq!(kept(10, 1), 30, "asked twice at once");
        assert_eq!(
            [kept(10, 30), kept(10, 90), kept(10, 9_000)],
            [60, 120, 120]
        );
        assert_eq!([kept(11, 9_120), kept(11, 9_150)], [30, 60]);
        assert_eq!(kept(10, 9_200), 30);
    }

    #[test]
    fn a_price_of_zero_makes_no_usual_price_steep() {
        let now = Instant::now();
        let mut course = Course::default();
        course.take(price(0), false, now).unwrap();
        assert!(course.take(price(101), false, now).is_err());
        assert_eq!(course.take(price(10), false, now), Ok(()));
    }

    #[test]
    fn a_usual_price_in_between_begins_the_time_anew() {
        let now = Instant::now();
        let mut course = Course::default();
        course.take(price(100), false, now).unwrap();
        course.take(price(5_000), false, now).unwrap_err();
        course.take(price(110), false, now).unwrap();
        let later = now + STEEP_BELIEVED_AFTER;
        let again = course.take(price(5_000), false, later).unwrap_err();
        assert_eq!(again.wait, STEEP_BELIEVED_AFTER);
    }
}
