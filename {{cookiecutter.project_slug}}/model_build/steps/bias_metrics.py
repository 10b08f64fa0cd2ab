"""The bias metrics of SageMaker Clarify for a binary label, from their definitions.

Notation of the Amazon SageMaker developer guide, whose pages are named in quotes below: d is the
group that `in_group` marks, a everybody else; n counts rows, n(1) those with the favourable
label, n(0) the others; q = n(1)/n; a prime means predictions. True is favourable throughout.

A metric whose formula has no finite value on the given rows is None. smclarify, AWS's public
implementation, takes 0/0 as 0 and x/0 as infinity: the first reads as "no bias", and JSON cannot
hold the second.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]

# In the words of Clarify's reports, misspelt Leibler included: both backends write the same.
DESCRIPTIONS = {
    "AD": "Accuracy Difference (AD)",
    "CDDL": "Conditional Demographic Disparity in Labels (CDDL)",
    "CDDPL": "Conditional Demographic Disparity in Predicted Labels (CDDPL)",
    "CI": "Class Imbalance (CI)",
    "DAR": "Difference in Acceptance Rates (DAR)",
    "DCA": "Difference in Conditional Acceptance (DCA)",
    "DCR": "Difference in Conditional Rejection (DCR)",
    "DI": "Disparate Impact (DI)",
    "DPL": "Difference in Positive Proportions in Labels (DPL)",
    "DPPL": "Difference in Positive Proportions in Predicted Labels (DPPL)",
    "DRR": "Difference in Rejection Rates (DRR)",
    "FT": "Flip Test (FT)",
    "GE": "Generalized Entropy (GE)",
    "JS": "Jensen-Shannon Divergence (JS)",
    "KL": "Kullback-Liebler Divergence (KL)",
    "KS": "Kolmogorov-Smirnov Distance (KS)",
    "LP": "L-p Norm (LP)",
    "RD": "Recall Difference (RD)",
    "SD": "Specificity Difference (SD)",
    "TE": "Treatment Equality (TE)",
    "TVD": "Total Variation Distance (TVD)",
}

TN, FP, FN, TP = np.eye(4, dtype=np.int64)  # the cells of a confusion matrix, in counting order

# Differences of a ratio between the groups: numerator, denominator, which group less which.
# Each formula stands on the guide's page of that name (DCA's is called DCAcc).
RATE_DIFFERENCES = {
    "AD": (TP + TN, TP + TN + FP + FN, "a - d"),  # accuracy
    "DAR": (TP, TP + FP, "a - d"),  # precision
    "DCA": (TP + FN, TP + FP, "a - d"),  # n(1) / n'(1)
    "DCR": (TN + FP, TN + FN, "d - a"),  # n(0) / n'(0)
    "DRR": (TN, TN + FN, "d - a"),  # precision of rejections
    "RD": (TP, TP + FN, "a - d"),  # recall
    "SD": (TN, TN + FP, "d - a"),  # specificity
    "TE": (FN, FP, "d - a"),  # as smclarify; early editions of the guide had FP / FN, a - d
}

NEIGHBOURS = 5
MOST_FLIPPED = 2_000  # rows of d whose neighbours the flip test seeks
BLOCK_DISTANCES = 2**21  # distances that the flip test holds at a time: 16 MB a copy


def pretraining_bias(
    labels: BoolArray, in_group: BoolArray, strata: IntArray | None
) -> dict[str, float | None]:
    """What the labels say before any model, by metric name in alphabetical order.

    Shapes (n,). `strata` numbers the values of Clarify's group variable; None leaves out CDDL.
    Raises ValueError if flags are not boolean or lengths differ.

    P_a = (1 - q_a, q_a) and P_d = (1 - q_d, q_d) are the groups' distributions of the label.

    CDDL = (1/n) sum of n_i DD_i over the strata i, in [-1, 1]. DD_i is d's share of n_i(0) less
        its share of n_i(1): above 0 d has more of the refusals than of the acceptances, among
        likes. Guide: "Conditional Demographic Disparity (CDD)".
    CI = (n_a - n_d) / n, in [-1, 1]. Above 0 d has fewer rows than all others, so that a model
        learns less of it. Guide: "Class Imbalance (CI)".
    DPL = q_a - q_d, in [-1, 1]. Above 0 d has the favourable label less often. Guide: "Difference
        in Proportions of Labels (DPL)".
    JS = (KL(P_a || P) + KL(P_d || P)) / 2 with P = (P_a + P_d) / 2, in [0, ln 2]. 0 is no
        difference; unlike KL the same from both sides. Guide: "Jensen-Shannon Divergence (JS)".
    KL = sum of P_a ln(P_a / P_d) over both labels, in [0, inf). 0 is no difference; none where d
        lacks a label that a has. Guide: "Kullback-Leibler Divergence (KL)".
    KS = max |P_a - P_d|, in [0, 1]. 0 is no difference. Guide: "Kolmogorov-Smirnov (KS)".
    LP = sqrt(sum of (P_a - P_d)^2), in [0, sqrt 2]. 0 is no difference. Guide: "Lp-norm (LP)".
    TVD = (sum of |P_a - P_d|) / 2, in [0, 1]. 0 is no difference: the share of rows whose label
        would have to change. Guide: "Total Variation Distance (TVD)".
    """
    q_a, q_d = _favourable_shares(labels, in_group)
    n, n_d = len(in_group), np.count_nonzero(in_group)
    metrics = {
        # The guide: 1 or -1 if all rows are of one group. smclarify gives no number there.
        "CI": _ratio(n - 2 * n_d, n),
        "DPL": _difference(q_a, q_d),
        **_label_distances(q_a, q_d),
    }
    if strata is not None:
        metrics["CDDL"] = _conditional_demographic_disparity(labels, in_group, strata)
    return dict(sorted(metrics.items()))


def posttraining_bias(
    labels: BoolArray,
    predictions: BoolArray,
    in_group: BoolArray,
    strata: IntArray | None,
    features: FloatArray | None,
) -> dict[str, float | None]:
    """What the model does to the groups, by metric name in alphabetical order.

    Shapes (n,), and (n, k) for `features`, where NaN means missing. `strata` None leaves out
    CDDPL, `features` None leaves out FT. Raises ValueError if flags are not boolean or lengths
    differ. TP, FP, TN, FN count a group's rows, favourable being positive.

    AD = (TP_a + TN_a) / n_a - (TP_d + TN_d) / n_d, in [-1, 1]. Above 0 predictions are right less
        often of d. Guide: "Accuracy Difference (AD)".
    CDDPL = (1/n) sum of n_i DD'_i over the strata i, in [-1, 1]. As CDDL, of predictions. Guide:
        "Conditional Demographic Disparity in Predicted Labels (CDDPL)".
    DAR = TP_a / (TP_a + FP_a) - TP_d / (TP_d + FP_d), in [-1, 1]. Above 0 favourable predictions
        are borne out less often of d. Guide: "Difference in Acceptance Rates (DAR)".
    DCA = n_a(1) / n'_a(1) - n_d(1) / n'_d(1), in (-inf, inf). Above 0 a is predicted favourable
        too seldom, measured by the labels and compared with d; below 0 d is. Guide: "Difference
        in Conditional Acceptance (DCAcc)".
    DCR = n_d(0) / n'_d(0) - n_a(0) / n'_a(0), in (-inf, inf). Above 0 a is predicted unfavourable
        too often, measured by the labels and compared with d; below 0 d is. Guide: "Difference in
        Conditional Rejection (DCR)".
    DI = q'_d / q'_a, in [0, inf). 1 is no difference, below 1 d is predicted favourable less
        often; none where nobody of a is. Guide: "Disparate Impact (DI)".
    DPPL = q'_a - q'_d, in [-1, 1]. Above 0 d is predicted favourable less often. Guide:
        "Difference in Positive Proportions in Predicted Labels (DPPL)".
    DRR = TN_d / (TN_d + FN_d) - TN_a / (TN_a + FN_a), in [-1, 1]. Above 0 unfavourable
        predictions are borne out less often of a, below 0 of d. Guide: "Difference in Rejection
        Rates (DRR)".
    FT = (F+ - F-) / n_d, in [-1, 1]. F+ counts the rows of d that are predicted unfavourable where
        most of their nearest rows in a are not, F- the reverse: above 0 likes of the other group
        fare better. Guide: "Counterfactual Fliptest (FT)".
    GE = (1/2n) sum of ((b_i / b')^2 - 1) with b = y' - y + 1 and b' its mean, in [0, inf). 0 is
        the same benefit for every row; groups play no part. Guide: "Generalized entropy (GE)".
    RD = TP_a / (TP_a + FN_a) - TP_d / (TP_d + FN_d), in [-1, 1]. Above 0 fewer of d's favourable
        labels are predicted so. Guide: "Recall Difference (RD)".
    SD = TN_d / (TN_d + FP_d) - TN_a / (TN_a + FP_a), in [-1, 1]. Above 0 more of a's unfavourable
        labels are predicted favourable, below 0 of d's. Guide: "Specificity difference (SD)".
    TE = FN_d / FP_d - FN_a / FP_a, in (-inf, inf). Above 0 the errors on d are, more than those
        on a, favourable labels missed. Guide: "Treatment Equality (TE)".
    """
    _require_rows(labels, predictions, in_group)
    cells = np.bincount(4 * in_group + 2 * labels + predictions, minlength=8).reshape(2, 4)
    metrics = {
        "DI": disparate_impact(predictions, in_group),
        "DPPL": dppl(predictions, in_group),
        "GE": _generalized_entropy(cells.sum(axis=0)),
    }
    for name, (numerator, denominator, order) in RATE_DIFFERENCES.items():
        rates = [_ratio(group @ numerator, group @ denominator) for group in cells]
        metrics[name] = _difference(*(rates if order == "a - d" else reversed(rates)))
    if strata is not None:
        metrics["CDDPL"] = _conditional_demographic_disparity(predictions, in_group, strata)
    if features is not None:
        metrics["FT"] = flip_test(predictions, in_group, features)
    return dict(sorted(metrics.items()))


def dppl(predictions: BoolArray, in_group: BoolArray) -> float | None:
    """DPPL of `posttraining_bias`; None if a group is empty."""
    return _difference(*_favourable_shares(predictions, in_group))


def disparate_impact(predictions: BoolArray, in_group: BoolArray) -> float | None:
    """DI of `posttraining_bias`; None if a group is empty or nobody in a is predicted favourable.

    With q'_a = 0 the ratio is infinite or undefined: a gate has to read None as a failure.
    """
    q_a, q_d = _favourable_shares(predictions, in_group)
    return None if q_a is None or q_d is None else _ratio(q_d, q_a)


def flip_test(predictions: BoolArray, in_group: BoolArray, features: FloatArray) -> float | None:
    """FT of `posttraining_bias`: do like rows of the other group fare better?

    None if a group, or the feature space, is empty.

    Distances are Euclidean, after missing values took their column's median and columns were
    standardised over all rows: no unit of measurement decides who is alike. Every row as near
    as the k-th has a vote, so that row order does not matter; a split vote flips nothing.

    Of a d of more than MOST_FLIPPED rows, so many speak for it, evenly spaced: F+ and F- over
    their number, off by 0.01 or so by chance. Else the time would grow with the square of the
    rows, as every row of d is held against every row of a; memory is bounded by BLOCK_DISTANCES.
    """
    _require_rows(predictions, in_group, beside=features)
    space = _standardised(features)
    members = np.flatnonzero(in_group)
    members = members[evenly_spaced(len(members), MOST_FLIPPED)]
    space_a, space_d = space[~in_group], space[members]
    if not space_a.size or not space_d.size:
        return None
    # The guide leaves k open. smclarify takes 5, or 1 if a has fewer than ten rows; it neither
    # standardises nor accepts missing values.
    k = NEIGHBOURS if len(space_a) >= 10 else 1
    votes = np.where(predictions[~in_group], 1.0, -1.0)
    minus_twice_a, norms_a = -2.0 * space_a.T, np.square(space_a).sum(axis=1)
    verdicts = []
    block = max(1, BLOCK_DISTANCES // len(space_a))
    for start in range(0, len(space_d), block):
        rows = space_d[start : start + block]
        # |x - y|^2 less |x|^2, which has no say in which y is nearest.
        distances = rows @ minus_twice_a
        distances += norms_a
        # Matrix products round: without a margin the processor would decide between ties.
        margin = 1e-9 * (1.0 + np.square(rows).sum(axis=1))
        reach = np.partition(distances, k - 1, axis=1)[:, k - 1] + margin
        verdicts.append((distances <= reach[:, np.newaxis]) @ votes)
    verdict, favourable = np.concatenate(verdicts), predictions[members]
    flips_up = np.count_nonzero(~favourable & (verdict > 0))
    flips_down = np.count_nonzero(favourable & (verdict < 0))
    # smclarify has the opposite sign, F- - F+. By the guide's, positive is worse for d, like DPPL.
    return (flips_up - flips_down) / len(space_d)


def evenly_spaced(rows: int, most: int) -> npt.NDArray[np.int64]:
    """The positions of at most so many of the rows, evenly spaced: of fewer rows every one."""
    count = min(rows, most)
    return np.arange(count, dtype=np.int64) * rows // max(count, 1)


def _label_distances(q_a: float | None, q_d: float | None) -> dict[str, float | None]:
    """Distances between the groups' label distributions: JS, KL, KS, LP and TVD.

    smclarify leaves out a label that one group lacks: P_a = (.5, .5) and P_d = (0, 1) then have
    half their TVD and a negative KL. By the guide, here, the sums run over both labels.
    """
    if q_a is None or q_d is None:
        return dict.fromkeys(("JS", "KL", "KS", "LP", "TVD"))
    p_a, p_d, mean = ((1 - q, q) for q in (q_a, q_d, (q_a + q_d) / 2))
    gaps = [abs(x - y) for x, y in zip(p_a, p_d, strict=True)]
    kl = _kullback_leibler(p_a, p_d)
    return {
        "JS": (_kullback_leibler(p_a, mean) + _kullback_leibler(p_d, mean)) / 2,
        "KL": kl if math.isfinite(kl) else None,
        "KS": max(gaps),
        "LP": math.hypot(*gaps),
        "TVD": sum(gaps) / 2,
    }


def _kullback_leibler(p: Sequence[float], q: Sequence[float]) -> float:
    """sum p ln(p/q) in nats, 0 ln 0 being 0; infinite if q lacks a label that p has."""
    pairs = [(x, y) for x, y in zip(p, q, strict=True) if x > 0]
    return math.fsum(x * math.log(x / y) if y > 0 else math.inf for x, y in pairs)


def _conditional_demographic_disparity(
    favourable: BoolArray, in_group: BoolArray, strata: IntArray
) -> float | None:
    """CDDL of `pretraining_bias`, and CDDPL where predictions are given.

    None if a group is empty or all rows have one outcome. A stratum with one outcome counts, as
    in smclarify, a share of 0 for the other: else one small stratum would leave no number at all.
    """
    _require_rows(favourable, in_group, beside=strata)
    if any(flags.all() or not flags.any() for flags in (favourable, in_group)):
        return None
    values, stratum = np.unique(strata, return_inverse=True)
    cells = np.bincount(4 * stratum + 2 * favourable + in_group, minlength=4 * len(values))
    counts = cells.reshape(-1, 2, 2)  # stratum, outcome (0, 1), group (a, d)
    outcomes = counts.sum(axis=2)
    shares = counts[:, :, 1] / np.maximum(outcomes, 1)
    return float(outcomes.sum(axis=1) @ (shares[:, 0] - shares[:, 1]) / len(strata))


def _generalized_entropy(cells: IntArray) -> float | None:
    """GE of `posttraining_bias`, alpha being 2.

    None without rows, or if all are false negatives (b' = 0).
    """
    n, benefits = cells.sum(), TN + TP + 2 * FP
    ratio = _ratio(n * (cells @ benefits**2), (cells @ benefits) ** 2)
    return None if ratio is None else (ratio - 1) / 2


def _standardised(features: FloatArray) -> FloatArray:
    """Columns of mean 0 and deviation 1, gaps at the median; columns without a value dropped."""
    known = np.isfinite(features)
    columns = known.any(axis=0)
    values = np.where(known, features, np.nan)[:, columns].astype(np.float64)
    if not values.size:
        return values
    values = np.where(known[:, columns], values, np.nanmedian(values, axis=0))
    deviations = values.std(axis=0)
    values -= values.mean(axis=0)
    values /= np.where(deviations > 0, deviations, 1.0)
    return values


def _favourable_shares(
    favourable: BoolArray, in_group: BoolArray
) -> tuple[float | None, float | None]:
    """(q_a, q_d); None for an empty group."""
    _require_rows(favourable, in_group)
    n_d, positives_d = np.count_nonzero(in_group), np.count_nonzero(favourable & in_group)
    positives_a = np.count_nonzero(favourable) - positives_d
    return _ratio(positives_a, len(in_group) - n_d), _ratio(positives_d, n_d)


def _require_rows(*flags: BoolArray, beside: IntArray | FloatArray | None = None) -> None:
    """Refuse what numpy would broadcast, or `~` turn into other numbers."""
    read = [(str(flag.dtype), flag.shape) for flag in flags]
    if set(read) != {("bool", (len(flags[0]),))}:
        raise ValueError(f"labels, predictions and groups must be boolean, of one length: {read}")
    if beside is not None and len(beside) != len(flags[0]):
        raise ValueError(f"strata and features need {len(flags[0])} rows, not {len(beside)}")


def _ratio(numerator: float, denominator: float) -> float | None:
    return float(numerator / denominator) if denominator else None


def _difference(minuend: float | None, subtrahend: float | None) -> float | None:
    return None if minuend is None or subtrahend is None else minuend - subtrahend
