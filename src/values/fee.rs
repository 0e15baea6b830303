//! Gas limits and fees, in whole numbers.
//!
//! The chain asks for ceil(price × gas limit) and keeps all that is offered, so a fee is exactly
//! that and not one uallo more (protocol.md section 6). Prices range from 10 to hundreds of
//! millions of uallo per gas with 18 decimals, which 128 bits hold. An overflow is an error, never
//! a smaller fee.

use std::fmt;

use crate::values::decimal::{Decimal, DecimalError, Rounding};
use crate::values::units::{Gas, Uallo};

/// Decimals of a gas price as the chain gives it.
const PRICE_DECIMALS: u32 = 18;
/// The units of a price of one uallo per gas.
const PRICE_SCALE: u128 = 10_u128.pow(PRICE_DECIMALS);

/// Decimals of a gas factor.
const FACTOR_DECIMALS: u32 = 9;
/// The units of a factor of 1.
const FACTOR_SCALE: u128 = 10_u128.pow(FACTOR_DECIMALS);
/// The largest gas factor: a larger one must be a mistake.
const FACTOR_MAX: u128 = 100 * FACTOR_SCALE;

/// The simulated gas of a payload where nothing could be simulated: what nodes of both emissions
/// versions reported for a free place (129,096 to 130,645, protocol.md section 10), rounded.
pub const GAS_OF_PAYLOAD: Gas = Gas(130_000);

/// The most simulated gas that is believed. Payloads take 129,096 to 203,434, registrations up to
/// 152,317 (protocol.md section 10); each label and each element of a forecast adds some thousand.
const GAS_BELIEVED_MAX: Gas = Gas(1_000_000);
/// Where a topic's payloads are known, at most this many times the largest of them: the most that
/// was seen is 1.6 times, when the active set is full.
const GAS_GROWTH_MAX: u64 = 3;
/// At least this much is believed, whatever a topic's payloads are said to have used: too low a
/// figure of one node must not make the true one unbelievable.
const GAS_BELIEVED_MIN: Gas = Gas(600_000);

/// No transaction uses less: its signature and its bytes alone take more.
pub const GAS_LEAST: Gas = Gas(20_000);

/// What an eviction uses beyond a free place, at most: 13,340 and 1,330 for each place, and 186 for
/// each worker that is active (protocol.md section 10), rounded.
const EVICTION_GAS: u64 = 13_500;
const EVICTION_GAS_PER_PLACE: u64 = 1_550;
/// More places than these are not believed; the chain's default is 32.
pub const PLACES_MAX: usize = 256;

/// The price of one gas in uallo, exact to the chain's 18 decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GasPrice(u128);

impl GasPrice {
    /// The lowest price that public networks have been seen with, 10 uallo (protocol.md section 6).
    pub const USUAL_MIN: GasPrice = GasPrice(10 * PRICE_SCALE);

    /// Parses a price as the chain gives it: `10.000000000000000000`. More than 18 decimals are
    /// rounded up.
    pub fn parse(text: &str) -> Result<GasPrice, DecimalError> {
        let units = Decimal::parse(text)?.to_units(PRICE_DECIMALS, Rounding::Up)?;
        Ok(GasPrice(units))
    }

    /// Whether it is more than `factor` times the other one.
    pub fn is_above(self, other: GasPrice, factor: u128) -> bool {
        self.0 > other.0.saturating_mul(factor)
    }
}

impl fmt::Display for GasPrice {
    /// In uallo, without zeros at the end of its fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / PRICE_SCALE, self.0 % PRICE_SCALE);
        let digits = format!("{fraction:018}");
        match digits.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            digits => write!(f, "{whole}.{digits}"),
        }
    }
}

/// The gas limit divided by the simulated gas, in units of 10^-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GasFactor(u128);

impl GasFactor {
    /// 1.5, the default of `gas_adjustment`.
    pub const DEFAULT: GasFactor = GasFactor(FACTOR_SCALE * 3 / 2);

    /// 1.25, the smallest factor that is used: a block uses 12 to 13 % more gas than a simulation,
    /// and running out of gas in a block costs the whole fee (protocol.md section 6).
    pub const MIN_EFFECTIVE: GasFactor = GasFactor(FACTOR_SCALE * 5 / 4);

    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Result<GasFactor, DecimalError> {
        GasFactor::from_decimal(&Decimal::parse(text)?)
    }

    /// A factor from 0 to 100.
    pub fn from_decimal(decimal: &Decimal) -> Result<GasFactor, DecimalError> {
        let units = decimal.to_units(FACTOR_DECIMALS, Rounding::Up)?;
        if units > FACTOR_MAX {
            return Err(DecimalError::TooManyUnits);
        }
        Ok(GasFactor(units))
    }

    /// The factor that is used: at least [`MIN_EFFECTIVE`](Self::MIN_EFFECTIVE).
    pub fn effective(self) -> GasFactor {
        self.max(GasFactor::MIN_EFFECTIVE)
    }
}

/// The gas limit for a transaction that used `simulated` gas: times the effective factor, rounded
/// up, at most `u64::MAX`, whose fee no cap allows.
pub fn gas_limit(simulated: Gas, factor: GasFactor) -> Gas {
    // No overflow: 2^64 gas × 100 × 10^9 units are below 2^101.
    let units = u128::from(simulated.0) * factor.effective().0;
    Gas(u64::try_from(units.div_ceil(FACTOR_SCALE)).unwrap_or(u64::MAX))
}

/// The gas limit for a payload if similar ones used at most `used` in their blocks: times the
/// factor, less the 13 % that a block adds to a simulation and the 5 % by which free places differ,
/// but at least a tenth more than `used`.
pub fn remembered_limit(used: Gas, factor: GasFactor) -> Gas {
    let used_gas = u128::from(used.0);
    let by_factor = (used_gas * factor.effective().0 * 100).div_ceil(FACTOR_SCALE * 118);
    let by_factor = Gas(u64::try_from(by_factor).unwrap_or(u64::MAX));
    by_factor.max(a_tenth_more(used))
}

/// What a block uses of a payload that used `simulated` gas in a simulation of the same state.
pub fn used_in_block(simulated: Gas) -> Gas {
    Gas(simulated.0.saturating_mul(113).div_ceil(100))
}

/// The gas limit with which a payload may also evict another worker, if it uses `used` in a free
/// place of a topic with so many places: each active worker's score is read (protocol.md section
/// 10). No simulation shows that before the set is full.
pub fn evicting_limit(used: Gas, places: usize) -> Gas {
    let places = u64::try_from(places.min(PLACES_MAX)).unwrap_or(u64::MAX);
    let eviction = EVICTION_GAS + EVICTION_GAS_PER_PLACE.saturating_mul(places);
    a_tenth_more(Gas(used.0.saturating_add(eviction)))
}

/// The least margin over a known use.
pub fn a_tenth_more(used: Gas) -> Gas {
    Gas(used.0.saturating_mul(11).div_ceil(10))
}

/// The next gas limit after running out of gas: 40 % more, since the gas used then is not the gas
/// needed.
pub fn more_gas(ran_out_at: Gas) -> Gas {
    Gas(ran_out_at.0.saturating_mul(7) / 5)
}

/// The most simulated gas to believe; `most` is what similar transactions used at most, if that is
/// known. It stays within `GAS_BELIEVED_MIN` and `GAS_BELIEVED_MAX`, since that figure is a node's
/// word as well.
pub fn gas_believed_max(most: Option<Gas>) -> Gas {
    let by_history = most.map(|most| Gas(most.0.saturating_mul(GAS_GROWTH_MAX)));
    by_history.map_or(GAS_BELIEVED_MAX, |gas| {
        gas.clamp(GAS_BELIEVED_MIN, GAS_BELIEVED_MAX)
    })
}

/// The largest gas limit that is signed: that of the most gas that is believed.
pub fn gas_limit_max(factor: GasFactor) -> Gas {
    gas_limit(GAS_BELIEVED_MAX, factor)
}

/// The fee that the chain asks for: gas limit × price, rounded up; `None` on overflow, which no real
/// price or gas causes.
pub fn fee(gas_limit: Gas, price: GasPrice) -> Option<Uallo> {
    u128::from(gas_limit.0)
        .checked_mul(price.0)
        .map(|units| Uallo(units.div_ceil(PRICE_SCALE)))
}

/// Whether a fee that a node requires fits the one at the chain's price: at most one and a half
/// times as much. The price rises by at most an eighth per block (protocol.md section 6).
pub fn is_believable(required: Uallo, at_price: Uallo) -> bool {
    required.0 <= at_price.0.saturating_add(at_price.0 / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(text: &str) -> GasPrice {
        GasPrice::parse(text).unwrap()
    }

    fn factor(text: &str) -> GasFactor {
        GasFactor::parse(text).unwrap()
    }

    #[test]
    fn prices_keep_all_eighteen_decimals() {
        assert_eq!(price("10.000000000000000000"), GasPrice(10 * PRICE_SCALE));
        assert_eq!(price("0.000000000000000001"), GasPrice(1));
        assert_eq!(price("0.0000000000000000011"), GasPrice(2));
        assert_eq!(price("250000000"), GasPrice(250_000_000 * PRICE_SCALE));
        assert!(GasPrice::parse("-1").is_err());
        assert!(GasPrice::parse("").is_err());
        assert!(GasPrice::parse("1e30").is_err());
    }

    #[test]
    fn fees_are_rounded_up_to_the_uallo() {
        assert_eq!(fee(Gas(200_000), price("10")), Some(Uallo(2_000_000)));
        assert_eq!(fee(Gas(3), price("0.5")), Some(Uallo(2)));
        assert_eq!(fee(Gas(4), price("0.5")), Some(Uallo(2)));
        assert_eq!(fee(Gas(1), price("10.000000000000000001")), Some(Uallo(11)));
        assert_eq!(fee(Gas(0), price("10")), Some(Uallo(0)));
        assert_eq!(
            fee(Gas(250_000), price("250000000")),
            Some(Uallo(62_500_000_000_000))
        );
    }

    #[test]
    fn a_fee_beyond_128_bits_is_none() {
        let largest = GasPrice(u128::MAX / 2);
        assert!(fee(Gas(2), largest).is_some());
        assert_eq!(fee(Gas(3), largest), None);
    }

    #[test]
    fn gas_limits_are_rounded_up() {
        assert_eq!(gas_limit(Gas(129_096), factor("1.5")), Gas(193_644));
        assert_eq!(gas_limit(Gas(3), factor("1.5")), Gas(5));
        assert_eq!(gas_limit(Gas(4), factor("1.5")), Gas(6));
        assert_eq!(gas_limit(Gas(u64::MAX), factor("1.5")), Gas(u64::MAX));
    }

    #[test]
    fn the_gas_used_by_payloads_gives_the_next_limit() {
        // 145,180 × 1.5 ÷ 1.18
        let limit = |factor_text: &str| remembered_limit(Gas(145_180), factor(factor_text));
        assert_eq!(limit("1.5"), Gas(184_551));
        // 1.25 ÷ 1.18 is below a tenth more
        assert_eq!(limit("1.25"), Gas(159_698));
        assert_eq!(
            remembered_limit(Gas(u64::MAX), factor("100")),
            Gas(u64::MAX)
        );
    }

    /// The figures of protocol.md section 10: the first of a window, the second and the last one.
    #[test]
    fn what_any_free_place_used_is_enough_for_all_of_them_and_not_too_much() {
        let free = [145_324, 139_047, 144_669, 147_557];
        for known in free {
            let limit = remembered_limit(Gas(known), GasFactor::DEFAULT).0;
            for used in free {
                assert!(
                    limit > used && limit * 100 <= used * 136,
                    "{limit} for {used}"
                );
            }
        }
    }

    #[test]
    fn an_eviction_fits_whatever_was_known_of_free_places() {
        for (free, places, evicting) in [
            (138_500, 1, 153_918),
            (139_047, 4, 158_442),
            (139_047, 32, 203_434),
            (136_047, 4, 155_442),
        ] {
            let limit = evicting_limit(Gas(free), places).0;
            assert!(
                limit >= evicting * 102 / 100 && limit * 100 <= evicting * 125,
                "{limit}"
            );
        }
        // simulated while the set was empty
        assert!(evicting_limit(used_in_block(Gas(129_096)), 32) > Gas(203_434 * 105 / 100));
    }

    #[test]
    fn places_are_believed_up_to_a_limit() {
        let limit = |places| evicting_limit(Gas(145_000), places);
        assert!(limit(PLACES_MAX) > limit(PLACES_MAX - 1));
        assert_eq!(limit(usize::MAX), limit(PLACES_MAX));
        assert!(limit(PLACES_MAX) < gas_limit_max(GasFactor::DEFAULT));
        assert_eq!(evicting_limit(Gas(u64::MAX), 1), Gas(u64::MAX.div_ceil(10)));
    }

    #[test]
    fn the_factor_in_effect_is_at_least_one_and_a_quarter() {
        assert_eq!(gas_limit(Gas(100_000), factor("1.249999999")), Gas(125_000));
        assert_eq!(gas_limit(Gas(100_000), factor("1.25")), Gas(125_000));
        assert_eq!(gas_limit(Gas(100_000), factor("1.25001")), Gas(125_001));
        assert_eq!(gas_limit(Gas(100_000), factor("0")), Gas(125_000));
        assert_eq!(factor("1.5"), GasFactor::DEFAULT);
        assert_eq!(factor("12.5e-1"), GasFactor::MIN_EFFECTIVE);
    }

    #[test]
    fn factors_end_at_one_hundred() {
        assert!(GasFactor::parse("100").is_ok());
        assert!(GasFactor::parse("100.000000001").is_err());
        assert!(GasFactor::parse("-1.5").is_err());
    }

    #[test]
    fn gas_is_believed_up_to_a_multiple_of_what_was_used() {
        assert_eq!(gas_believed_max(None), GAS_BELIEVED_MAX);
        assert_eq!(gas_believed_max(Some(Gas(250_000))), Gas(750_000));
        assert_eq!(gas_believed_max(Some(Gas(10))), GAS_BELIEVED_MIN);
        assert_eq!(gas_believed_max(Some(Gas(u64::MAX))), GAS_BELIEVED_MAX);
        assert_eq!(gas_limit_max(GasFactor::DEFAULT), Gas(1_500_000));
    }

    #[test]
    fn half_again_as_much_as_the_price_gives_is_believed() {
        assert!(is_believable(Uallo(150), Uallo(100)));
        assert!(!is_believable(Uallo(151), Uallo(100)));
        assert!(is_believable(Uallo(0), Uallo(0)));
        assert!(!is_believable(Uallo(1), Uallo(0)));
        assert!(is_believable(Uallo(u128::MAX), Uallo(u128::MAX)));
    }

    proptest! {
        #[test]
        fn a_fee_is_the_least_that_the_chain_takes(
            gas in 0..u64::MAX, units in 0..(1_u128 << 63)
        ) {
            let paid = fee(Gas(gas), GasPrice(units)).unwrap().0;
            let exact = u128::from(gas) * units;
            prop_assert!(paid * PRICE_SCALE >= exact);
            prop_assert!(paid == 0 || (paid - 1) * PRICE_SCALE < exact);
        }
    }
}
