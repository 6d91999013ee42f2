//! Peers of a VIP that say what a test wants.

use super::*;
use crate::node::effect::Effects;
use crate::node::peering::tests::{Company, state};
use crate::node::tests::fixture::{ms, name};
use crate::node::vip::tests::Stage;
use crate::units::Centis;

pub(super) const LB2: [u8; 4] = [10, 0, 0, 12];
pub(super) const LB3: [u8; 4] = [10, 0, 0, 13];
pub(super) const MOMENT: Duration = Duration::from_nanos(1);

pub(super) fn of(priority: i64) -> Claim {
    Claim::Of(Priority::new(priority).unwrap())
}

pub(super) fn wanting(priority: i64) -> VipState {
    VipState { wants: true, ..state(Role::Backup, priority) }
}

pub(super) fn deaf(role: Role, priority: i64) -> VipState {
    VipState { hears: false, ..state(role, priority) }
}

/// A VIP of lb1 with priority 200, adverts every second, and peers that say what the test wants.
pub(super) struct Lab {
    pub(super) vip: Vip,
    pub(super) company: Company,
    pub(super) stage: Stage,
    pub(super) start: Instant,
    pub(super) now: Instant,
}

impl Lab {
    /// A backup since the start.
    pub(super) fn backup() -> Self {
        let start = vip().1;
        let company = Company::new(start);
        let mut config = company.config.vips[0].clone();
        config.advert_interval = Centis::SECOND;
        config.preempt = Preempt::After(Duration::ZERO);
        config.grace = ms(700);
        let vip = Vip::new(&config, &company.config, &name("lb1"), start).unwrap();
        let mut lab = Self { vip, company, stage: Stage::new(), start, now: start };
        let _steps = lab.vip.router.entitle(start, Entitlement::Claim(Priority::new(200).unwrap()));
        lab
    }

    /// Active since the start.
    pub(super) fn active() -> Self {
        let mut lab = Self::backup();
        let _steps = lab.vip.router.take_over(lab.start, "test");
        lab.vip.since = lab.start;
        lab.vip.handover.spoken = Some(lab.start);
        lab
    }

    pub(super) fn with<T>(&mut self, what: impl FnOnce(&mut Vip, &Host<'_>, &mut Outbox) -> T) -> (T, Effects) {
        let host = Host { peering: &self.company.peering, ..self.stage.host(self.now) };
        let mut out = Outbox::default();
        let result = what(&mut self.vip, &host, &mut out);
        (result, out.into_effects())
    }

    pub(super) fn ask<T>(&self, what: impl FnOnce(&Vip, &Host<'_>) -> T) -> T {
        what(&self.vip, &Host { peering: &self.company.peering, ..self.stage.host(self.now) })
    }

    /// Goes on to so many milliseconds after the start; an active router does not forget to speak.
    pub(super) fn at(&mut self, after: u64) {
        let until = self.start + ms(after);
        while self.vip.router.role() == Role::Active && self.now + ms(1_000) < until {
            self.now += ms(1_000);
            let _steps = self.vip.router.tick(self.now);
        }
        self.now = until;
    }

    pub(super) fn says(&mut self, of: &str, state: VipState) {
        self.company.says(of, self.now, state);
    }

    pub(super) fn hears(&mut self, source: [u8; 4], claim: Claim) {
        let _steps = self.vip.router.hear(self.now, self.now, source.into(), claim, Centis::SECOND);
    }

    pub(super) fn settle(&mut self) -> Effects {
        self.with(|vip, host, out| vip.settle_handover(host, out)).1
    }

    pub(super) fn role(&self) -> Role {
        self.vip.router.role()
    }

    pub(super) fn wants(&self) -> bool {
        self.ask(|vip, host| vip.peer_state(host, &name("lb2"))).unwrap().wants
    }

    pub(super) fn vouched(&self) -> u64 {
        self.vip.counters.get("vouched").copied().unwrap_or(0)
    }
}
