"""The bias metrics of SageMaker Clarify for a binary label, from their definitions.

Notation of the Amazon SageMaker developer guide, whose pages are named in quotes below: d is the
group that `in_group` marks, a all others; n counts rows, n(1) those with the favourable label, n(0)
the others; q = n(1)/n; a prime means predictions. True is favourable throughout.

All except the flip test are computed from counts: `Outcomes` counts the rows once for all groups of
a facet. A metric without a finite value is None, and so are all metrics of a group without rows, or
without others. smclarify, AWS's public implementation, takes 0/0 as 0 and x/0 as infinity: the
first looks like "no bias", and JSON cannot contain the second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]

# As in Clarify's reports, including the misspelt Leibler: both backends write the same.
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

# Differences of a ratio between the groups: numerator, denominator, which group minus which. Each
# formula is on the guide's page of that name (DCA's is called DCAcc).
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
MOST_FLIPPED = 2_000  # rows of d whose neighbours the flip test finds
MOST_INDEXED = 15  # columns: with more, an index visits nearly every row, and is slower than a scan
BLOCK_DISTANCES = 2**21  # distances in memory during a scan: 16 MB per copy


@dataclass(frozen=True)
class Cells:
    """How many rows have each stratum, label and prediction, (strata, 2, 2): of a, and of d."""

    a: IntArray
    d: IntArray
    is_stratified: bool = False

    @property
    def is_comparison(self) -> bool:
        """Whether both groups have rows; otherwise no metric has a value."""
        return bool(self.a.any() and self.d.any())


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of n rows: each row's stratum, label and prediction as one number."""

    codes: npt.NDArray[np.intp]  # (n,): 4 strata + 2 labels + predictions
    strata: int
    is_stratified: bool

    @staticmethod
    def of(labels: BoolArray, predictions: BoolArray, strata: IntArray | None = None) -> Outcomes:
        """Combine them; all (n,). `strata` has Clarify's group variable as numbers from 0, or is
        None.

        Raises:
            ValueError: if flags are not boolean or lengths differ.
        """
        _require_rows(labels, predictions, beside=strata)
        outcomes = 2 * labels.view(np.uint8) + predictions.view(np.uint8)  # one byte per row: fast
        codes = outcomes.astype(np.intp)
        if strata is not None:
            codes += np.multiply(strata, 4, dtype=np.intp)
        count = 1 if strata is None else int(strata.max(initial=0)) + 1
        return Outcomes(codes, count, strata is not None)

    def of_groups(self, groups: IntArray, count: int) -> list[Cells]:
        """The counts of each group from 0 to count - 1 against all other rows.

        `groups` is (n,): every row's group, or `count` for a row without one.

        Raises:
            ValueError: if lengths differ.
        """
        if len(groups) != len(self.codes):
            raise ValueError(f"groups need {len(self.codes)} rows, not {len(groups)}")
        cells = 4 * self.strata
        codes = groups * cells
        codes += self.codes
        counts = np.bincount(codes, minlength=(count + 1) * cells).reshape(-1, self.strata, 2, 2)
        everybody = counts.sum(axis=0)
        return [Cells(everybody - d, d, self.is_stratified) for d in counts[:count]]


def pretraining_bias(cells: Cells) -> dict[str, float | None]:
    """Pre-training bias, from the labels alone, by metric name in alphabetical order.

    Without strata there is no CDDL.

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
    a, d = (side.sum(axis=(0, 2)) for side in (cells.a, cells.d))  # by label
    n_a, n_d = int(a.sum()), int(d.sum())
    q_a, q_d = _ratio(a[1], n_a), _ratio(d[1], n_d)
    metrics = {
        # The guide has 1 or -1 if all rows are in one group; here, as in smclarify, there is no
        # value.
        "CI": _ratio(n_a - n_d, n_a + n_d) if cells.is_comparison else None,
        "DPL": _difference(q_a, q_d),
        **_label_distances(q_a, q_d),
    }
    if cells.is_stratified:
        by_label = Cells(cells.a.sum(axis=2), cells.d.sum(axis=2))
        metrics["CDDL"] = _conditional_demographic_disparity(by_label)
    return dict(sorted(metrics.items()))


def posttraining_bias(cells: Cells) -> dict[str, float | None]:
    """Post-training bias, by metric name in alphabetical order, without FT.

    Without strata there is no CDDPL. TP, FP, TN, FN count a group's rows, favourable being
    positive.

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
    GE = (1/2n) sum of ((b_i / b')^2 - 1) with b = y' - y + 1 and b' its mean, in [0, inf). 0 is
        the same benefit for every row; groups play no part. Guide: "Generalized entropy (GE)".
    RD = TP_a / (TP_a + FN_a) - TP_d / (TP_d + FN_d), in [-1, 1]. Above 0 fewer of d's favourable
        labels are predicted so. Guide: "Recall Difference (RD)".
    SD = TN_d / (TN_d + FP_d) - TN_a / (TN_a + FP_a), in [-1, 1]. Above 0 more of a's unfavourable
        labels are predicted favourable, below 0 of d's. Guide: "Specificity difference (SD)".
    TE = FN_d / FP_d - FN_a / FP_a, in (-inf, inf). Above 0 the errors on d are, more than those
        on a, favourable labels missed. Guide: "Treatment Equality (TE)".
    """
    a, d = cells.a.sum(axis=0).ravel(), cells.d.sum(axis=0).ravel()  # TN, FP, FN, TP
    metrics = {
        "DI": disparate_impact(cells),
        "DPPL": dppl(cells),
        "GE": _generalized_entropy(a + d) if cells.is_comparison else None,
    }
    for name, (numerator, denominator, order) in RATE_DIFFERENCES.items():
        rate_a, rate_d = (_ratio(side @ numerator, side @ denominator) for side in (a, d))
        difference = _difference(rate_a, rate_d)
        metrics[name] = -difference if difference and order == "d - a" else difference
    if cells.is_stratified:
        by_prediction = Cells(cells.a.sum(axis=1), cells.d.sum(axis=1))
        metrics["CDDPL"] = _conditional_demographic_disparity(by_prediction)
    return dict(sorted(metrics.items()))


def dppl(cells: Cells) -> float | None:
    """DPPL of `posttraining_bias`; None if a group is empty."""
    return _difference(*_predicted_shares(cells))


def disparate_impact(cells: Cells) -> float | None:
    """DI of `posttraining_bias`; None if a group is empty or nobody in a is predicted favourable.

    With q'_a = 0 the ratio is infinite or undefined: a gate has to read None as a failure.
    """
    q_a, q_d = _predicted_shares(cells)
    return None if q_a is None or q_d is None else _ratio(q_d, q_a)


def flip_test(predictions: BoolArray, in_group: BoolArray, features: FloatArray) -> float | None:
    """Do similar rows of the other group have better outcomes? (n,) flags, (n, k) features, NaN for
    none.

    FT = (F+ - F-) / n_d, in [-1, 1]. F+ counts the rows of d that are predicted unfavourable where
        most of their nearest rows in a are not, F- the reverse: above 0, similar rows of the other
        group have better outcomes. Guide: "Counterfactual Fliptest (FT)".

    None if a group, or the feature space, is empty. Raises ValueError as `Outcomes.of`.

    Distances are Euclidean, after replacing missing values by their column's median and
    standardising columns over all rows, so that units of measurement do not matter. Every row as
    near as the k-th has a vote, so that row order does not matter; a tied vote flips nothing.

    If d has more than MOST_FLIPPED rows, an evenly spaced sample of that size is used, with an
    error of about 0.01: otherwise the time would grow with the square of the rows. Beside a copy of
    the features, memory is bounded by BLOCK_DISTANCES.
    """
    _require_rows(predictions, in_group, beside=features)
    space = _standardised(features)
    members = np.flatnonzero(in_group)
    members = members[evenly_spaced(len(members), MOST_FLIPPED)]
    space_a, space_d = space[~in_group], space[members]
    if not space_a.size or not space_d.size:
        return None
    # The guide does not specify k. smclarify uses 5, or 1 if a has fewer than ten rows; it neither
    # standardises nor accepts missing values.
    k = NEIGHBOURS if len(space_a) >= 10 else 1
    vote = _vote_by_index if space.shape[1] <= MOST_INDEXED else _vote_by_scan
    verdict, favourable = vote(space_a, predictions[~in_group], space_d, k), predictions[members]
    flips_up = np.count_nonzero(~favourable & (verdict > 0))
    flips_down = np.count_nonzero(favourable & (verdict < 0))
    # smclarify has the opposite sign, F- - F+. With the guide's sign, positive is worse for d, as
    # in DPPL.
    return (flips_up - flips_down) / len(space_d)


def _vote_by_index(
    space_a: FloatArray, favourable: BoolArray, space_d: FloatArray, k: int
) -> FloatArray:
    """How many more of the nearest rows of a are favourable than not, for each row of d.

    It uses a k-d tree for each kind of a's rows: first for the k-th distance, then for the numbers
    of rows within it, so that equal rows are counted without listing them.
    """
    from scipy.spatial import cKDTree  # not used for many columns

    # Median splits of equal rows would never end; sliding midpoints do.
    trees = [cKDTree(rows, balanced_tree=False)
             for rows in (space_a[favourable], space_a[~favourable]) if len(rows)]  # fmt: skip
    nearest = np.concatenate([tree.query(space_d, k=range(1, k + 1))[0] for tree in trees], axis=1)
    distance = np.partition(nearest, k - 1, axis=1)[:, k - 1]
    reach = np.sqrt(np.square(distance) + _margin(space_d))
    counts = [tree.query_ball_point(space_d, reach, return_length=True) for tree in trees]
    more: FloatArray = np.subtract(*counts, dtype=np.float64) if len(counts) == 2 else counts[0]
    return more if favourable.any() else -more


def _vote_by_scan(
    space_a: FloatArray, favourable: BoolArray, space_d: FloatArray, k: int
) -> FloatArray:
    """The same as `_vote_by_index` from all distances, for a block of d's rows at a time."""
    votes = np.where(favourable, 1.0, -1.0)
    minus_twice_a, norms_a = -2.0 * space_a.T, np.square(space_a).sum(axis=1)
    verdicts = []
    block = max(1, BLOCK_DISTANCES // len(space_a))
    for start in range(0, len(space_d), block):
        rows = space_d[start : start + block]
        # |x - y|^2 minus |x|^2, which does not affect which y is nearest.
        distances = rows @ minus_twice_a
        distances += norms_a
        reach = np.partition(distances, k - 1, axis=1)[:, k - 1] + _margin(rows)
        verdicts.append((distances <= reach[:, np.newaxis]) @ votes)
    return np.concatenate(verdicts)


def _margin(rows: FloatArray) -> FloatArray:
    """The tolerance for equal squared distances, since sums of products are rounded.

    Without it, ties would depend on the processor.
    """
    margin: FloatArray = 1e-9 * (1.0 + np.square(rows).sum(axis=1))
    return margin


def evenly_spaced(rows: int, most: int) -> npt.NDArray[np.int64]:
    """The positions of at most this many evenly spaced rows; all rows, if there are fewer."""
    count = min(rows, most)
    return np.arange(count, dtype=np.int64) * rows // max(count, 1)


def _label_distances(q_a: float | None, q_d: float | None) -> dict[str, float | None]:
    """Distances between the groups' label distributions: JS, KL, KS, LP and TVD.

    smclarify leaves out a label that one group lacks: then P_a = (.5, .5) and P_d = (0, 1) have
    half their TVD and a negative KL. Here, as in the guide, the sums run over both labels.
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


def _conditional_demographic_disparity(counts: Cells) -> float | None:
    """CDDL of `pretraining_bias`, and CDDPL where predictions are counted: (strata, outcome).

    None if a group is empty or all rows have one outcome. As in smclarify, a stratum with only one
    outcome counts with a share of 0 for the other: otherwise one small stratum would leave no
    value.
    """
    outcomes = counts.a + counts.d
    if not counts.is_comparison or not outcomes.sum(axis=0).all():
        return None
    shares = counts.d / np.maximum(outcomes, 1)
    return float(outcomes.sum(axis=1) @ (shares[:, 0] - shares[:, 1]) / outcomes.sum())


def _generalized_entropy(cells: IntArray) -> float | None:
    """GE of `posttraining_bias`, alpha being 2.

    None without rows, or if all are false negatives (b' = 0).
    """
    n, benefits = cells.sum(), TN + TP + 2 * FP
    ratio = _ratio(n * (cells @ benefits**2), (cells @ benefits) ** 2)
    return None if ratio is None else (ratio - 1) / 2


def _standardised(features: FloatArray) -> FloatArray:
    """Columns with mean 0 and deviation 1, missing values at the median, without empty columns."""
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


def _predicted_shares(cells: Cells) -> tuple[float | None, float | None]:
    """(q'_a, q'_d); None for an empty group."""
    q_a, q_d = (_ratio(side[:, :, 1].sum(), side.sum()) for side in (cells.a, cells.d))
    return q_a, q_d


def _require_rows(*flags: BoolArray, beside: IntArray | FloatArray | None = None) -> None:
    """Refuse arrays that numpy would broadcast, or that `~` would turn into other numbers."""
    read = [(str(flag.dtype), flag.shape) for flag in flags]
    if set(read) != {("bool", (len(flags[0]),))}:
        raise ValueError(f"labels, predictions and groups must be boolean, of one length: {read}")
    if beside is not None and len(beside) != len(flags[0]):
        raise ValueError(f"strata and features need {len(flags[0])} rows, not {len(beside)}")


def _ratio(numerator: float, denominator: float) -> float | None:
    return float(numerator / denominator) if denominator else None


def _difference(minuend: float | None, subtrahend: float | None) -> float | None:
    return None if minuend is None or subtrahend is None else minuend - subtrahend
