//! kite and the bare server in turns, so that a machine that is slow for a while is slow for both.

use super::report::{Figures, Outcome, Ratio, Report, Spread};
use super::{BenchError, Target};

/// Measures kite and, where there is one, the bare server, as often as there are rounds.
pub async fn measure(
    kite: &Target,
    floor: Option<&Target>,
    rounds: u32,
    measure: impl AsyncFn(&Target) -> Result<Outcome, BenchError>,
) -> Result<Report, BenchError> {
    let (mut ours, mut theirs, mut pairs) = (None, None, Vec::new());
    for _ in 0..rounds.max(1) {
        let own = take_in(&mut ours, measure(kite).await?);
        if let Some(floor) = floor {
            let other = take_in(&mut theirs, measure(floor).await?);
            pairs.push((own, other));
        }
    }
    let kite = ours.as_ref().map(Outcome::figures);
    Ok(Report {
        rounds: rounds.max(1),
        kite: kite.ok_or_else(|| BenchError::Nothing("no round was made".to_owned()))?,
        floor: theirs.as_ref().map(Outcome::figures),
        ratio: floor.map(|_| ratio(&pairs)),
    })
}

/// Adds an outcome to those before it; answers its own figures.
fn take_in(sum: &mut Option<Outcome>, outcome: Outcome) -> Figures {
    let figures = outcome.figures();
    match sum {
        Some(sum) => sum.add(&outcome),
        None => *sum = Some(outcome),
    }
    figures
}

fn ratio(pairs: &[(Figures, Figures)]) -> Ratio {
    let of = |figure: fn(&Figures) -> f64| {
        let ratios = pairs
            .iter()
            .map(|(kite, floor)| figure(kite) / figure(floor));
        Spread::of(ratios.collect())
    };
    Ratio {
        per_second: of(|figures| figures.per_second),
        p50: of(|figures| figures.p50_us),
        p99: of(|figures| figures.p99_us),
    }
}
