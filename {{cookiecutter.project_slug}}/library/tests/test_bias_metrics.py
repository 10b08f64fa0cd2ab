"""The bias metrics against the guide's worked examples, hand counts and slow references."""

import json
import math
import statistics
import time
import tracemalloc

import numpy as np
import pytest

import bias_metrics
from bias_metrics import DESCRIPTIONS, Outcomes, flip_test

PRETRAINING = ["CDDL", "CI", "DPL", "JS", "KL", "KS", "LP", "TVD"]
POSTTRAINING = ["AD", "CDDPL", "DAR", "DCA", "DCR", "DI", "DPPL"]
POSTTRAINING += ["DRR", "FT", "GE", "RD", "SD", "TE"]


def cells(labels, predictions, in_group, strata=None):
    """The counts of one group, marked by flags."""
    (counts,) = Outcomes.of(labels, predictions, strata).of_groups(np.where(in_group, 0, 1), 1)
    return counts


def pretraining_bias(labels, in_group, strata):
    return bias_metrics.pretraining_bias(cells(labels, labels, in_group, strata))


def posttraining_bias(labels, predictions, in_group, strata, features):
    """All metrics of one group; FT, which needs more than counts, where there are features."""
    metrics = bias_metrics.posttraining_bias(cells(labels, predictions, in_group, strata))
    if features is not None:
        metrics["FT"] = flip_test(predictions, in_group, features)
    return dict(sorted(metrics.items()))


def dppl(predictions, in_group):
    return bias_metrics.dppl(cells(predictions, predictions, in_group))


def disparate_impact(predictions, in_group):
    return bias_metrics.disparate_impact(cells(predictions, predictions, in_group))


def flags(text):
    """`flags("1101")`: one digit a row, spaces for the eye."""
    return np.array([digit == "1" for digit in text.replace(" ", "")], dtype=bool)


def shares(favourable_a, n_a, favourable_d, n_d):
    """Labels (or predictions) and group of n_a + n_d rows with so many favourable ones."""
    labels = np.r_[np.arange(n_a) < favourable_a, np.arange(n_d) < favourable_d]
    return labels, np.arange(n_a + n_d) >= n_a


def confusion(a, d):
    """Labels, predictions, group of two confusion matrices, given as (TN, FP, FN, TP)."""
    labels = np.r_[np.repeat([0, 0, 1, 1], a), np.repeat([0, 0, 1, 1], d)].astype(bool)
    predictions = np.r_[np.repeat([0, 1, 0, 1], a), np.repeat([0, 1, 0, 1], d)].astype(bool)
    return labels, predictions, np.arange(sum(a) + sum(d)) >= sum(a)


def post(a, d):
    return posttraining_bias(*confusion(a, d), None, None)


@pytest.fixture
def sample():
    """Seeded labels, predictions, group, strata and features of 400 rows, groups unlike."""
    random = np.random.default_rng(20)
    n = 400
    in_group = random.random(n) < 0.3
    features = random.normal(size=(n, 3)) * (1.0, 1000.0, 0.01)
    features[:, 0] += in_group
    labels = features[:, 0] + random.normal(size=n) > 0.2
    predictions = features[:, 0] + 0.4 * random.normal(size=n) > np.where(in_group, 0.9, 0.1)
    return labels, predictions, in_group, random.integers(0, 5, n), features


# --- worked examples -------------------------------------------------------------------------


def test_every_posttraining_rate_of_the_guides_confusion_matrices():
    # Guide, "Recall Difference (RD)" and "Specificity difference (SD)": the same two matrices.
    metrics = post(a=(20, 10, 5, 65), d=(18, 5, 7, 20))
    assert metrics == pytest.approx(
        {
            "AD": 85 / 100 - 38 / 50,  # 0.09
            "DAR": 65 / 75 - 20 / 25,  # 0.067
            "DCA": 70 / 75 - 27 / 25,  # -0.147
            "DCR": 23 / 25 - 30 / 25,  # -0.28
            "DI": (25 / 50) / (75 / 100),  # 0.667
            "DPPL": 75 / 100 - 25 / 50,  # 0.25
            "DRR": 18 / 25 - 20 / 25,  # -0.08
            # 150 rows, 15 FP (b = 2), 12 FN (b = 0): sum b = 153, sum b^2 = 123 + 4 * 15 = 183
            "GE": ((183 / 150) / (153 / 150) ** 2 - 1) / 2,  # 0.0863
            "RD": 65 / 70 - 20 / 27,  # 0.19 in the guide
            "SD": 18 / 23 - 20 / 30,  # 0.1159 in the guide
            "TE": 7 / 5 - 5 / 10,  # 0.9
        },
        abs=1e-15,
    )
    assert metrics["RD"] == pytest.approx(0.19, abs=0.005)
    assert metrics["SD"] == pytest.approx(0.1159, abs=5e-5)


def test_the_guides_conditional_acceptance_and_rejection():
    # DCAcc, example 1: a 70 observed / 60 predicted, d 20 / 30.  70/60 - 20/30 = 1/2
    assert post(a=(30, 0, 10, 60), d=(20, 10, 0, 20))["DCA"] == pytest.approx(0.5)
    # DCR, example 1: rejections, a 50 / 60, d 40 / 30.  40/30 - 50/60 = 1/2
    assert post(a=(50, 0, 10, 40), d=(30, 10, 0, 10))["DCR"] == pytest.approx(0.5)
    # DCR, example 2: a 70 / 60, d 20 / 30.  20/30 - 70/60 = -1/2
    assert post(a=(60, 10, 0, 30), d=(20, 0, 10, 20))["DCR"] == pytest.approx(-0.5)


def test_the_guides_accuracy_acceptance_rate_and_treatment():
    assert post(a=(10, 10, 20, 60), d=(10, 10, 40, 40))["AD"] == pytest.approx(0.7 - 0.5)
    # DAR: of 70 accepted in a 35 rightly, of 100 in d 40.  35/70 - 40/100 = 0.10
    assert post(a=(5, 35, 5, 35), d=(5, 60, 5, 40))["DAR"] == pytest.approx(0.10)
    # DRR: of 100 rejected in a 80 rightly, of 50 in d 40.  No bias.
    assert post(a=(80, 5, 20, 5), d=(40, 9, 10, 9))["DRR"] == pytest.approx(0.0)
    # TE: FN 8, FP 6 in a; FN 5, FP 2 in d; equal accuracy.  5/2 - 8/6 = 1.17
    metrics = post(a=(40, 6, 8, 46), d=(20, 2, 5, 23))
    assert metrics["TE"] == pytest.approx(5 / 2 - 8 / 6)
    assert metrics["AD"] == pytest.approx(0.0)


def test_label_distances_of_80_and_30_per_cent():
    metrics = pretraining_bias(*shares(80, 100, 15, 50), None)
    assert metrics == pytest.approx(
        {
            "CI": 50 / 150,
            "DPL": 0.5,
            # mean distribution (0.45, 0.55)
            "JS": (
                0.8 * math.log(0.8 / 0.55)
                + 0.2 * math.log(0.2 / 0.45)
                + 0.3 * math.log(0.3 / 0.55)
                + 0.7 * math.log(0.7 / 0.45)
            )
            / 2,  # 0.1323
            "KL": 0.8 * math.log(0.8 / 0.3) + 0.2 * math.log(0.2 / 0.7),  # 0.53 in the guide
            "KS": 0.5,
            "LP": math.sqrt(0.5**2 + 0.5**2),
            "TVD": 0.5,
        },
        abs=1e-15,
    )
    assert metrics["KL"] == pytest.approx(0.53, abs=0.005)


def test_demographic_disparity_of_the_guides_admissions():
    # Women are 46 of 100 rejected, 32 of 100 accepted: 0.46 - 0.32 = 0.14
    accepted = np.repeat([False, True], 100)
    women = np.r_[np.arange(100) < 46, np.arange(100) < 32]
    one_stratum = np.zeros(200, dtype=np.int64)
    assert pretraining_bias(accepted, women, one_stratum)["CDDL"] == pytest.approx(0.14)
    assert pretraining_bias(accepted, ~women, one_stratum)["CDDL"] == pytest.approx(-0.14)


def test_conditional_disparity_weighs_strata_by_their_rows():
    # stratum 7:  d d a rejected, d a a accepted: 2/3 - 1/3 =  1/3, 6 rows
    # stratum 3:  a rejected, d accepted:         0/1 - 1/1 = -1,   2 rows
    in_group = flags("110 100 0 1")
    accepted = flags("000 111 0 1")
    strata = np.array([7] * 6 + [3] * 2)
    expected = (6 * (1 / 3) + 2 * -1) / 8  # 0
    assert pretraining_bias(accepted, in_group, strata)["CDDL"] == pytest.approx(expected)
    # Twice the rows of the first: (12/3 - 2) / 14
    twice = [np.r_[column[:6], column] for column in (accepted, in_group, strata)]
    assert pretraining_bias(*twice)["CDDL"] == pytest.approx(2 / 14)


def test_conditional_disparity_undoes_simpsons_paradox():
    # Each department treats both alike; d applies to the strict one.
    #                lenient: a 80 + 20, d 8 + 2        strict: a 2 + 8, d 20 + 80
    accepted = np.repeat([True, False] * 4, [80, 20, 8, 2, 2, 8, 20, 80])
    in_group = np.repeat([False, False, True, True] * 2, [80, 20, 8, 2, 2, 8, 20, 80])
    department = np.repeat([0, 1], 110)
    metrics = pretraining_bias(accepted, in_group, department)
    assert metrics["CDDL"] == pytest.approx(0.0)
    assert metrics["DPL"] == pytest.approx(82 / 110 - 28 / 110)


def test_one_outcome_in_a_stratum_counts_as_a_share_of_zero_for_the_other():
    # stratum 0: d a rejected, d accepted: 1/2 - 1 = -1/2, 3 rows
    # stratum 1: d a rejected, none accepted: 1/2 - 0 = 1/2, 2 rows
    metrics = pretraining_bias(flags("001 00"), flags("101 10"), np.array([0, 0, 0, 1, 1]))
    assert metrics["CDDL"] == pytest.approx((3 * -0.5 + 2 * 0.5) / 5)


def test_favourable_shares_that_gates_read():
    predictions, in_group = shares(60, 100, 25, 50)
    assert dppl(predictions, in_group) == pytest.approx(0.6 - 0.5)
    assert disparate_impact(predictions, in_group) == pytest.approx(0.5 / 0.6)
    metrics = posttraining_bias(predictions, predictions, in_group, None, None)
    assert metrics["DPPL"] == dppl(predictions, in_group)
    assert metrics["DI"] == disparate_impact(predictions, in_group)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5, 0, 0, 5), 0.0),  # all right: every b = 1
        ((0, 9, 0, 0), 0.0),  # all false positives: every b = 2
        ((1, 0, 1, 0), 0.5),  # b = 1, 0: mean 1/2, mean square 1/2: (2 - 1) / 2
        ((0, 1, 1, 0), 0.5),  # b = 2, 0: mean 1, mean square 2
        ((1, 1, 0, 0), 1 / 18),  # b = 1, 2: mean 3/2, mean square 5/2: (10/9 - 1) / 2
    ],
)
def test_generalized_entropy(counts, expected):
    assert post(a=counts, d=counts)["GE"] == pytest.approx(expected)  # twice the rows, as unequal


# --- slow references -------------------------------------------------------------------------


def slow_rates(labels, predictions, in_group):
    """Each ratio by walking over the rows, as {name: (of a, of d)}."""
    rates = {}
    for group in (False, True):
        rows = [(y, p) for y, p, g in zip(labels, predictions, in_group, strict=True) if g == group]
        rejected, accepted = [y for y, p in rows if not p], [y for y, p in rows if p]
        unfit, fit = [p for y, p in rows if not y], [p for y, p in rows if y]
        of_group = {
            "accuracy": sum(y == p for y, p in rows) / len(rows),
            "precision": sum(accepted) / len(accepted),
            "rejection precision": sum(not y for y in rejected) / len(rejected),
            "recall": sum(fit) / len(fit),
            "specificity": sum(not p for p in unfit) / len(unfit),
            "acceptances": len(fit) / len(accepted),
            "rejections": len(unfit) / len(rejected),
            "treatment": sum(y and not p for y, p in rows) / sum(p and not y for y, p in rows),
            "positive": len(accepted) / len(rows),
        }
        for name, rate in of_group.items():
            rates.setdefault(name, []).append(rate)
    return rates


def slow_disparity(favourable, in_group, strata):
    total = 0.0
    for stratum in sorted(set(strata.tolist())):
        rows = [
            (bool(y), bool(g))
            for y, g, s in zip(favourable, in_group, strata, strict=True)
            if s == stratum
        ]
        of_rejected = [g for y, g in rows if not y]
        of_accepted = [g for y, g in rows if y]
        total += len(rows) * (statistics.mean(of_rejected) - statistics.mean(of_accepted))
    return total / len(strata)


def slow_flip_test(predictions, in_group, features, k):
    """All distances row by row; right where no two are equal."""
    columns = []
    for column in features.T.tolist():
        median = statistics.median(x for x in column if not math.isnan(x))
        filled = [median if math.isnan(x) else x for x in column]
        mean, deviation = statistics.fmean(filled), statistics.pstdev(filled)
        columns.append([(x - mean) / deviation for x in filled])
    points = list(zip(*columns, strict=True))
    others = [i for i in range(len(points)) if not in_group[i]]
    members = [i for i in range(len(points)) if in_group[i]]
    flips = 0
    for i in members:
        nearest = sorted(others, key=lambda j: math.dist(points[i], points[j]))[:k]
        if predictions[i] != (majority := sum(predictions[j] for j in nearest) > k / 2):
            flips += 1 if majority else -1
    return flips / len(members)


def test_posttraining_metrics_agree_with_a_loop_over_rows(sample):
    labels, predictions, in_group, strata, _ = sample
    slow = slow_rates(labels, predictions, in_group)
    a_less_d = {name: a - d for name, (a, d) in slow.items()}
    benefits = [int(p) - int(y) + 1 for y, p in zip(labels, predictions, strict=True)]
    mean = statistics.fmean(benefits)
    expected = {
        "AD": a_less_d["accuracy"],
        "CDDPL": slow_disparity(predictions, in_group, strata),
        "DAR": a_less_d["precision"],
        "DCA": a_less_d["acceptances"],
        "DCR": -a_less_d["rejections"],
        "DI": slow["positive"][1] / slow["positive"][0],
        "DPPL": a_less_d["positive"],
        "DRR": -a_less_d["rejection precision"],
        "GE": sum((b / mean) ** 2 - 1 for b in benefits) / (len(benefits) * 2 * (2 - 1)),
        "RD": a_less_d["recall"],
        "SD": -a_less_d["specificity"],
        "TE": -a_less_d["treatment"],
    }
    assert min(map(abs, expected.values())) > 0.01  # a wrong sign would show
    actual = posttraining_bias(labels, predictions, in_group, strata, None)
    assert actual == pytest.approx(expected, abs=1e-13)


def test_pretraining_metrics_agree_with_a_loop_over_rows(sample):
    labels, _, in_group, strata, _ = sample
    of_a = [bool(y) for y, g in zip(labels, in_group, strict=True) if not g]
    of_d = [bool(y) for y, g in zip(labels, in_group, strict=True) if g]
    p_a = [of_a.count(value) / len(of_a) for value in (False, True)]
    p_d = [of_d.count(value) / len(of_d) for value in (False, True)]
    pairs = list(zip(p_a, p_d, strict=True))
    expected = {
        "CDDL": slow_disparity(labels, in_group, strata),
        "CI": (len(of_a) - len(of_d)) / (len(of_a) + len(of_d)),
        "DPL": p_a[1] - p_d[1],
        "JS": sum(x * math.log(2 * x / (x + y)) + y * math.log(2 * y / (x + y)) for x, y in pairs)
        / 2,
        "KL": sum(x * math.log(x / y) for x, y in pairs),
        "KS": max(abs(x - y) for x, y in pairs),
        "LP": sum(abs(x - y) ** 2 for x, y in pairs) ** 0.5,
        "TVD": sum(abs(x - y) for x, y in pairs) / 2,
    }
    assert pretraining_bias(labels, in_group, strata) == pytest.approx(expected, abs=1e-13)


def test_flip_test_agrees_with_a_loop_over_rows(sample):
    _, predictions, in_group, _, features = sample
    features[::9, 1] = np.nan
    expected = slow_flip_test(predictions, in_group, features, k=5)
    assert abs(expected) > 0.1  # a wrong sign would show
    assert flip_test(predictions, in_group, features) == pytest.approx(expected)


# --- the flip test ---------------------------------------------------------------------------


def test_flip_test_is_positive_where_like_rows_of_a_fare_better():
    # a: five favourable at 0, five not at 10.  d: unfavourable at 1 (up); favourable at 9 (down);
    # unfavourable at 0 (up); favourable at 1 (no flip).  (2 - 1) / 4
    predictions = flags("11111 00000 0101")
    in_group = np.arange(14) >= 10
    positions = np.array([[0.0]] * 5 + [[10.0]] * 5 + [[1.0], [9.0], [0.0], [1.0]])
    assert flip_test(predictions, in_group, positions) == pytest.approx(1 / 4)
    assert flip_test(~predictions, in_group, positions) == pytest.approx(-1 / 4)
    metrics = posttraining_bias(predictions, predictions, in_group, None, positions)
    assert metrics["FT"] == pytest.approx(1 / 4)


@pytest.mark.parametrize(("n_a", "expected"), [(10, 0.0), (9, 1.0)])
def test_the_nearest_five_vote_or_the_nearest_one_of_fewer_than_ten(n_a, expected):
    # d stands, unfavourable, at 0; in a only the nearest, at 1, is favourable.
    positions = np.r_[0.0, np.arange(1.0, n_a + 1)].reshape(-1, 1)
    predictions, in_group = np.arange(n_a + 1) == 1, np.arange(n_a + 1) == 0
    assert flip_test(predictions, in_group, positions) == expected


def test_flip_test_counts_three_of_five_and_no_sixth():
    # By distance from d at 0: 1 1 1 0 0 | 0 0 0 0 0.  Among six the vote would be split.
    positions = np.arange(11.0).reshape(-1, 1)
    assert flip_test(flags("0 11100 00000"), np.arange(11) == 0, positions) == 1.0
    assert flip_test(flags("0 11000 11111"), np.arange(11) == 0, positions) == 0.0


def test_flip_test_lets_all_rows_as_near_as_the_fifth_vote():
    # One nearest of a is favourable; nine more at one distance have three favourable among them.
    positions = np.array([[0.0], [1.0]] + [[2.0]] * 9)
    predictions = flags("0 1 111000000")
    assert flip_test(predictions, np.arange(11) == 0, positions) == 0.0  # 4 of 10, whatever order
    # Half of ten: a split vote flips nothing, neither up nor down.
    for own in ("0", "1"):
        assert flip_test(flags(own + "1 111100000"), np.arange(11) == 0, positions) == 0.0


def test_flip_test_sees_equal_distances_through_rounding():
    # Whole numbers on a line: distances are exact here, and rounded after standardisation.
    random = np.random.default_rng(5)
    positions = random.integers(0, 40, 150)
    in_group, predictions = random.random((2, 150)) < [[0.4], [0.5]]
    flips = 0
    for own, position in zip(predictions[in_group], positions[in_group], strict=True):
        distances = np.abs(positions[~in_group] - position)
        vote = predictions[~in_group][distances <= np.sort(distances)[4]].mean()
        flips += int(vote > 0.5 and not own) - int(vote < 0.5 and own)
    expected = flips / np.count_nonzero(in_group)
    assert flip_test(predictions, in_group, positions.reshape(-1, 1)) == expected
    order = random.permutation(150)
    shuffled = predictions[order], in_group[order], positions[order].reshape(-1, 1)
    assert flip_test(*shuffled) == expected != 0


def test_flip_test_does_not_depend_on_units_or_on_columns_that_say_nothing(sample):
    _, predictions, in_group, _, features = sample
    expected = flip_test(predictions, in_group, features)
    assert flip_test(predictions, in_group, features * [60, 0.001, -7] + [1, 2, 3]) == expected
    silent = np.column_stack([features, np.full(400, 0.1), np.full(400, np.nan)])
    assert flip_test(predictions, in_group, silent) == expected
    assert flip_test(predictions, in_group, np.full((400, 2), np.nan)) is None
    assert flip_test(predictions, in_group, np.empty((400, 0))) is None


def test_flip_test_reads_a_missing_value_as_the_columns_median():
    # Known: 8 at 5 and 6 at 300 in a, one of d at 1000.  The median, 5, stands among favourable
    # rows; the mean, 189, is nearer to the unfavourable ones at 300.
    positions = np.repeat([5.0, 300.0, 1000.0, np.nan], [8, 6, 1, 1]).reshape(-1, 1)
    predictions, in_group = np.arange(16) < 8, np.arange(16) >= 14
    assert flip_test(predictions, in_group, positions) == 1 / 2
    positions[-1] = np.inf
    assert flip_test(predictions, in_group, positions) == 1 / 2


def test_flip_test_is_the_same_in_blocks(sample, monkeypatch):
    _, predictions, in_group, _, features = sample
    whole = flip_test(predictions, in_group, features)
    for distances in (1, 700, 12_345):
        monkeypatch.setattr(bias_metrics, "BLOCK_DISTANCES", distances)
        assert flip_test(predictions, in_group, features) == whole


@pytest.mark.parametrize("columns", [8, 20])
def test_flip_test_of_20000_rows_never_holds_all_distances(columns):
    random = np.random.default_rng(0)
    in_group = np.arange(20_000) < 10_000  # 10^8 distances, 800 MB at once
    features = random.normal(size=(20_000, columns))
    tracemalloc.start()
    flip_test(random.random(20_000) < 0.5, in_group, features)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6


def test_of_a_large_group_evenly_spaced_rows_speak_for_it(monkeypatch):
    # a: five favourable at 0, five not at 10.  d: by turns beside the first, and the second.
    predictions = flags("11111 00000" + "0" * 12)
    in_group = np.arange(22) >= 10
    positions = np.array([[0.0]] * 5 + [[10.0]] * 5 + [[1.0], [9.0]] * 6)
    assert flip_test(predictions, in_group, positions) == 6 / 12
    monkeypatch.setattr(bias_metrics, "MOST_FLIPPED", 6)  # the 1st, 3rd, 5th ...
    assert flip_test(predictions, in_group, positions) == 6 / 6
    monkeypatch.setattr(bias_metrics, "MOST_FLIPPED", 5)  # the 1st, 3rd, 5th, 8th, 10th
    assert flip_test(predictions, in_group, positions) == 3 / 5


def test_distances_do_not_grow_with_the_square_of_the_rows(monkeypatch):
    random, sizes, partition = np.random.default_rng(0), [], np.partition

    def counted(distances, *arguments, **options):
        sizes.append(distances.size)
        return partition(distances, *arguments, **options)

    monkeypatch.setattr(np, "partition", counted)
    for rows in (20_000, 40_000):
        predictions, features = random.random(rows) < 0.5, random.normal(size=(rows, 16))
        flip_test(predictions, np.arange(rows) % 2 == 0, features)
    assert sum(sizes) == bias_metrics.MOST_FLIPPED * (10_000 + 20_000)


# --- what has no number ----------------------------------------------------------------------


def names_without_value(metrics):
    return {name for name, value in metrics.items() if value is None}


@pytest.mark.parametrize("group", [False, True])
def test_an_empty_group_has_no_metric_at_all(group):
    labels, predictions = flags("1100 10"), flags("1010 10")
    in_group, strata, features = np.full(6, group), np.arange(6) % 2, np.eye(6)
    metrics = pretraining_bias(labels, in_group, strata)
    assert names_without_value(metrics) == set(PRETRAINING)
    metrics = posttraining_bias(labels, predictions, in_group, strata, features)
    assert names_without_value(metrics) == set(POSTTRAINING)


def test_no_rows_have_no_metrics():
    none, strata, features = flags(""), np.zeros(0, dtype=np.int64), np.zeros((0, 2))
    assert set(pretraining_bias(none, none, strata).values()) == {None}
    assert set(posttraining_bias(none, none, none, strata, features).values()) == {None}


@pytest.mark.parametrize(
    ("a", "d", "missing"),
    [
        ((5, 5, 5, 5), (5, 0, 5, 0), {"DAR", "DCA", "TE"}),  # nobody in d accepted
        ((5, 0, 5, 0), (5, 5, 5, 5), {"DAR", "DCA", "TE", "DI"}),  # nobody in a: DI infinite
        ((5, 0, 5, 0), (5, 0, 5, 0), {"DAR", "DCA", "TE", "DI"}),  # nobody at all: 0 / 0
        ((0, 5, 0, 5), (5, 5, 5, 5), {"DCR", "DRR"}),  # nobody in a rejected
        ((5, 5, 5, 5), (5, 5, 0, 0), {"RD"}),  # nobody in d fit
        ((0, 0, 5, 5), (5, 5, 5, 5), {"SD", "TE"}),  # everybody in a fit: FN/0
        ((5, 0, 0, 5), (5, 0, 0, 5), {"TE"}),  # no errors: 0/0, no equality to speak of
        ((0, 0, 5, 0), (0, 0, 3, 0), {"DAR", "DCA", "DI", "GE", "SD", "TE"}),  # only FN
    ],
)
def test_a_zero_denominator_is_none_and_touches_nothing_else(a, d, missing):
    assert names_without_value(post(a, d)) == missing


def test_disparate_impact_has_bounds():
    assert disparate_impact(*shares(3, 4, 0, 4)) == 0.0
    assert disparate_impact(*shares(1, 4, 4, 4)) == 4.0
    assert disparate_impact(*shares(0, 4, 4, 4)) is None  # infinite
    assert disparate_impact(*shares(0, 4, 0, 4)) is None  # undefined
    assert dppl(*shares(0, 4, 4, 4)) == -1.0
    for predictions, in_group in (shares(0, 0, 2, 4), shares(2, 4, 0, 0)):
        assert dppl(predictions, in_group) is None
        assert disparate_impact(predictions, in_group) is None


def test_label_distances_where_a_group_lacks_a_label():
    # P_a = (.5, .5), P_d = (0, 1), mean (.25, .75): the label that d lacks counts
    metrics = pretraining_bias(*shares(2, 4, 4, 4), None)
    assert metrics["KL"] is None  # infinite
    assert metrics["LP"] == pytest.approx(math.sqrt(0.5))
    assert (metrics["TVD"], metrics["KS"], metrics["DPL"]) == (0.5, 0.5, -0.5)
    js = (0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75) + math.log(1 / 0.75)) / 2
    assert metrics["JS"] == pytest.approx(js)
    # The other way round nothing is infinite: 1 ln(1 / .5)
    assert pretraining_bias(*shares(4, 4, 2, 4), None)["KL"] == pytest.approx(math.log(2))
    # Nothing in common
    metrics = pretraining_bias(*shares(4, 4, 0, 4), None)
    assert metrics["KL"] is None
    assert metrics["JS"] == pytest.approx(math.log(2))
    assert metrics["LP"] == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("outcome", ["0000", "1111"])
def test_labels_all_alike_are_no_distance_apart_and_have_no_disparity(outcome):
    metrics = pretraining_bias(flags(outcome), flags("0011"), np.array([0, 1, 0, 1]))
    assert metrics.pop("CDDL") is None
    assert set(metrics.values()) == {0.0}


# --- symmetries ------------------------------------------------------------------------------


def test_swapping_the_groups_turns_the_signs(sample):
    labels, predictions, in_group, strata, _ = sample
    for one, other in (
        (
            pretraining_bias(labels, in_group, strata),
            pretraining_bias(labels, ~in_group, strata),
        ),
        (
            posttraining_bias(labels, predictions, in_group, strata, None),
            posttraining_bias(labels, predictions, ~in_group, strata, None),
        ),
    ):
        for name, value in one.items():
            if name in {"JS", "KS", "LP", "TVD", "GE"}:
                assert other[name] == pytest.approx(value)
            elif name == "DI":
                assert other[name] == pytest.approx(1 / value)
            elif name == "KL":
                assert other[name] != pytest.approx(value)  # not symmetric
            else:
                assert other[name] == pytest.approx(-value), name


def test_calling_the_other_label_favourable_exchanges_acceptance_and_rejection(sample):
    labels, predictions, in_group, strata, features = sample
    one = posttraining_bias(labels, predictions, in_group, strata, features)
    other = posttraining_bias(~labels, ~predictions, in_group, strata, features)
    assert other["AD"] == pytest.approx(one["AD"])
    for name in ("CDDPL", "DPPL", "FT"):
        assert other[name] == pytest.approx(-one[name])
    for name, twin in (("DCA", "DCR"), ("DAR", "DRR"), ("RD", "SD")):
        assert other[name] == pytest.approx(-one[twin])
        assert other[twin] == pytest.approx(-one[name])


def test_row_order_does_not_matter(sample):
    order = np.random.default_rng(1).permutation(400)
    labels, predictions, in_group, strata, features = sample
    shuffled = [column[order] for column in sample]
    straight = posttraining_bias(labels, predictions, in_group, strata, features)
    assert posttraining_bias(*shuffled) == straight
    assert pretraining_bias(shuffled[0], shuffled[2], shuffled[3]) == pretraining_bias(
        labels, in_group, strata
    )


def test_names_of_strata_do_not_matter(sample):
    labels, _, in_group, strata, _ = sample
    renamed = np.array([12, 1, 40, 3, 0])[strata]
    expected = pretraining_bias(labels, in_group, strata)["CDDL"]
    assert pretraining_bias(labels, in_group, renamed)["CDDL"] == pytest.approx(expected)


# --- the shape of the answer -----------------------------------------------------------------


def test_keys_are_alphabetical_and_described(sample):
    labels, predictions, in_group, strata, features = sample
    before = pretraining_bias(labels, in_group, strata)
    after = posttraining_bias(labels, predictions, in_group, strata, features)
    assert list(before) == PRETRAINING
    assert list(after) == POSTTRAINING
    assert sorted(DESCRIPTIONS) == sorted(PRETRAINING + POSTTRAINING)
    assert all(text.endswith(f"({name})") for name, text in DESCRIPTIONS.items())
    assert DESCRIPTIONS["CI"] == "Class Imbalance (CI)"


def test_what_is_not_given_is_left_out(sample):
    labels, predictions, in_group, strata, features = sample
    assert "CDDL" not in pretraining_bias(labels, in_group, None)
    without_strata = posttraining_bias(labels, predictions, in_group, None, features)
    assert list(without_strata) == [name for name in POSTTRAINING if name != "CDDPL"]
    without_features = posttraining_bias(labels, predictions, in_group, strata, None)
    assert list(without_features) == [name for name in POSTTRAINING if name != "FT"]


def test_values_are_plain_floats_that_json_can_hold(sample):
    labels, predictions, in_group, strata, features = sample
    metrics = pretraining_bias(labels, in_group, strata)
    metrics |= posttraining_bias(labels, predictions, in_group, strata, features)
    assert {type(value) for value in metrics.values()} == {float}
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_arguments_are_left_as_they_were(sample):
    copies = [column.copy() for column in sample]
    posttraining_bias(*sample)
    for column, copy in zip(sample, copies, strict=True):
        np.testing.assert_array_equal(column, copy)


def test_flags_that_are_not_boolean_or_of_one_length_are_refused():
    yes, numbers = flags("1010"), np.array([1, 0, 1, 0])
    for call in (
        lambda: Outcomes.of(numbers, yes),
        lambda: Outcomes.of(yes, numbers),
        lambda: Outcomes.of(yes, flags("1")),
        lambda: flip_test(yes, numbers, np.eye(4)),
    ):
        with pytest.raises(ValueError, match="must be boolean, of one length"):
            call()
    with pytest.raises(ValueError, match="need 4 rows, not 1"):
        pretraining_bias(yes, yes, np.array([0]))
    with pytest.raises(ValueError, match="need 4 rows, not 3"):
        flip_test(yes, yes, np.eye(3))
    with pytest.raises(ValueError, match="groups need 4 rows, not 5"):
        Outcomes.of(yes, yes).of_groups(np.arange(5), 5)


def test_ten_groups_of_a_million_rows_take_well_under_a_second():
    random = np.random.default_rng(0)
    labels, predictions = random.random((2, 1_000_000)) < 0.4
    strata, groups = random.integers(0, 50, 1_000_000), random.integers(0, 10, 1_000_000)
    start = time.perf_counter()
    for found in Outcomes.of(labels, predictions, strata).of_groups(groups, 10):
        bias_metrics.pretraining_bias(found)
        bias_metrics.posttraining_bias(found)
    assert time.perf_counter() - start < 1.0  # 0.03 s


def test_groups_counted_at_once_are_those_counted_one_by_one(sample):
    labels, predictions, _, strata, _ = sample
    groups = np.random.default_rng(3).integers(0, 4, 400)  # the last is of no group
    outcomes = Outcomes.of(labels, predictions, strata)
    counted = outcomes.of_groups(groups, 3)
    assert len(counted) == 3
    for number, found in enumerate(counted):
        alone = cells(labels, predictions, groups == number, strata)
        np.testing.assert_array_equal(found.a, alone.a)
        np.testing.assert_array_equal(found.d, alone.d)
        assert found.d.sum() == np.count_nonzero(groups == number)
        assert found.a.sum() + found.d.sum() == 400


# --- the index -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["numbers", "few values", "one value", "one kind of others"])
def test_the_index_and_the_scan_give_one_verdict(kind):
    random = np.random.default_rng(7)
    columns = bias_metrics.MOST_INDEXED
    space = random.normal(size=(600, columns))
    if kind == "few values":
        space = random.integers(0, 2, (600, columns)).astype(float)[:, :3]  # ties by the hundred
    if kind == "one value":
        space[:] = 0.0
    favourable = np.full(400, True) if kind == "one kind of others" else random.random(400) < 0.4
    for k in (1, 5):
        scanned = bias_metrics._vote_by_scan(space[:400], favourable, space[400:], k)
        indexed = bias_metrics._vote_by_index(space[:400], favourable, space[400:], k)
        np.testing.assert_array_equal(scanned, indexed)
        assert np.any(scanned)
    reverse = bias_metrics._vote_by_index(space[:400], ~favourable, space[400:], 5)
    np.testing.assert_array_equal(reverse, -indexed)


def test_many_columns_are_scanned_and_few_are_indexed(monkeypatch):
    random, asked = np.random.default_rng(0), []
    for name in ("_vote_by_index", "_vote_by_scan"):
        real = getattr(bias_metrics, name)
        monkeypatch.setattr(
            bias_metrics, name, lambda *a, n=name, r=real: (asked.append(n), r(*a))[1]
        )
    for columns in (bias_metrics.MOST_INDEXED, bias_metrics.MOST_INDEXED + 1):
        features = random.normal(size=(60, columns))
        assert flip_test(random.random(60) < 0.5, np.arange(60) < 30, features) is not None
    assert asked == ["_vote_by_index", "_vote_by_scan"]
