//! Rules that decide which request gets which fault: by route, node, count, chance and schedule.
//!
//! All chances are drawn from one seed, so that the seed repeats a run.

use std::time::Duration;

use crate::play::faults::Fault;

/// When a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// From the first time until just before the second, both since the start of the simulation.
    Elapsed(Duration, Duration),
    /// From the first height until just before the second.
    Heights(u64, u64),
}

/// Which requests get a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    fault: Fault,
    route: String,
    node: Option<usize>,
    left: Option<u64>,
    per_mille: u32,
    when: When,
}

impl Rule {
    /// A rule for every request to the chain; the other methods restrict it.
    #[must_use]
    pub fn new(fault: Fault) -> Rule {
        let when = When::Always;
        Rule {
            fault,
            route: String::new(),
            node: None,
            left: None,
            per_mille: 1000,
            when,
        }
    }

    /// Restricts the rule to routes that contain `part`, such as `POST /cosmos/tx/v1beta1/txs`,
    /// `simulate` or `MODEL /topic/1`. Routes have `{}` in place of ids.
    #[must_use]
    pub fn on(mut self, part: &str) -> Rule {
        part.clone_into(&mut self.route);
        self
    }

    /// Restricts the rule to one node, counted from 0.
    #[must_use]
    pub fn at_node(mut self, node: usize) -> Rule {
        self.node = Some(node);
        self
    }

    /// Restricts the rule to the next `count` requests that it applies to.
    #[must_use]
    pub fn times(mut self, count: u64) -> Rule {
        self.left = Some(count);
        self
    }

    /// Makes the rule apply at random, with this chance in thousandths.
    #[must_use]
    pub fn per_mille(mut self, chance: u32) -> Rule {
        self.per_mille = chance;
        self
    }

    /// Restricts the rule to a time or to heights.
    #[must_use]
    pub fn when(mut self, when: When) -> Rule {
        self.when = when;
        self
    }
}

/// The properties of a request that rules depend on.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Method and path, with `{}` in place of ids.
    pub route: &'a str,
    /// The node; `None` for the model.
    pub node: Option<usize>,
    pub height: u64,
    /// Time since the start of the simulation.
    pub elapsed: Duration,
}

/// All rules, and the random numbers for their chances.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    random: fastrand::Rng,
}

impl Rules {
    /// No rules. `seed` determines all chances.
    #[must_use]
    pub fn new(seed: u64) -> Rules {
        Rules {
            rules: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Adds a rule. Earlier rules have precedence.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The fault of the first rule that applies to a request.
    pub fn decide(&mut self, arrival: Arrival<'_>) -> Option<Fault> {
        let random = &mut self.random;
        let index = self.rules.iter().position(|rule| {
            let now = match rule.when {
                When::Always => true,
                When::Elapsed(from, until) => (from..until).contains(&arrival.elapsed),
                When::Heights(from, until) => (from..until).contains(&arrival.height),
            };
            // A rule without a route is for the chain, not for the model.
            let named = !rule.route.is_empty() || arrival.node.is_some();
            now && named
                && rule.fault.can_affect(arrival.route)
                && arrival.route.contains(&rule.route)
                && rule.node.is_none_or(|node| arrival.node == Some(node))
                && (rule.per_mille >= 1000 || random.u32(0..1000) < rule.per_mille)
        })?;
        let rule = &mut self.rules[index];
        let fault = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.rules.remove(index);
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes::BROADCAST;

    fn seen(route: &str, height: u64) -> Arrival<'_> {
        Arrival {
            route,
            node: Some(0),
            height,
            elapsed: Duration::from_secs(height),
        }
    }

    #[test]
    fn a_rule_applies_to_its_route_for_its_count_during_its_span() {
        let mut rules = Rules::new(1);
        rules.add(Rule::new(Fault::Html).on("account_info").times(2));
        rules.add(Rule::new(Fault::Close).when(When::Heights(5, 7)));
        assert_eq!(rules.decide(seen("GET /params", 1)), None);
        assert_eq!(
            rules.decide(seen("GET /account_info/{}", 1)),
            Some(Fault::Html)
        );
        assert_eq!(
            rules.decide(seen("GET /account_info/{}", 6)),
            Some(Fault::Html)
        );
        assert_eq!(
            rules.decide(seen("GET /account_info/{}", 6)),
            Some(Fault::Close)
        );
        assert_eq!(rules.decide(seen("GET /account_info/{}", 7)), None);
    }

    #[test]
    fn faults_of_broadcasts_affect_only_broadcasts() {
        let mut rules = Rules::new(1);
        rules.add(Rule::new(Fault::AcceptAndDrop));
        assert_eq!(rules.decide(seen("GET /params", 1)), None);
        assert_eq!(rules.decide(seen(BROADCAST, 1)), Some(Fault::AcceptAndDrop));
    }

    #[test]
    fn the_same_seed_draws_the_same_chances() {
        let draw = || {
            let mut rules = Rules::new(7);
            rules.add(Rule::new(Fault::Html).per_mille(300));
            (0..200)
                .map(|_| rules.decide(seen("GET /x", 1)).is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
        let hits = draw().into_iter().filter(|&hit| hit).count();
        assert!((30..90).contains(&hits), "{hits} of 200");
    }
}
