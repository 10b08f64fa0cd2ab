"""Writes the fraud scenario's sample table: payments with a travel card, every one invented.

::

    python samples/fraud.py [--rows 31000] [--seed 20250330] [-o FILE]

The same rows and seed give the same bytes. No row is taken from anybody's data.

**Columns**, one row a payment, in the order of their moments:

============== ==================================================================================
transaction_id five characters, digits and consonants; a few are digits alone, so read them as text
customer_id    four such characters: who the card belongs to
time           the moment, in UTC, to the minute (2025-03-03T00:16Z)
is_fraud       the label: 1 = a thief paid, 0 = the customer did
amount         in whole units of money
usual          what the customer pays on average; the same in all of a customer's rows
channel        pos, web, app or atm
merchant       what is sold there: food, fuel, shop, stay, ride, or kiosk
attempts       payments that were refused in the hour before
distance       kilometres from the place of the payment before
new_device     1 = from a device that the customer never used before
issued         month of issue, as it stands on the card (11/24)
age            of the customer, in years
region         where the customer lives: N, E, S or W
============== ==================================================================================

A customer travels once in the four weeks and pays on one to three days in a row, six times on
average: so a split by time that keeps customers together leaves few rows out. There are payments
in each of the 672 hours.

**Signal.** A thief pays on `THIEVES_SHARE` of the rows: more often at night, on the web, from a new
device, after refused attempts, far away, and more than the customer usually does. `THIEF` and
`HONEST` have the figures; none of the signs is there always, or never without a thief. `issued`,
`age` and `region` say nothing of thieves, and `merchant` says something only by the planted bias.

**Blemishes**, no row having two: 8 unreadable months (`00/00`, `#N/A`), 3 empty transaction ids, 4
payments with a second row further down (a correction: the same moment, a larger amount), 3 cards
issued in the month after the payment. These counts are the same for every number of rows. Besides,
1 % of the usual amounts and 2 % of the distances are empty. No label, customer or moment is.

**Planted bias.** In `BIASED_REGION` a third of the payments (`PROXY_SHARE_BIASED`) are made at
kiosks, elsewhere next to none, so that `merchant` gives the region away. Of these kiosk payments
`FLIPPED_SHARE` are labelled fraud, whatever the customer did: 1 % of all rows. A model that has to
find nearly all that is labelled fraud must flag nearly all of those kiosks' honest customers, and
leaving age and region out of the features does not cure it.

**Its margin.** Customers are in the split in whose period their first payment lies: train,
validation and test have 50, 25 and 25 % of them, one after the other; payments after the end of
their customer's period are left out. Plain XGBoost (eta 0.3, 100 rounds) on what the scenario's
`features.py` makes flags at the threshold that has the best precision on the validation split while
the lower bound of its recall (one-sided Clopper-Pearson, 90 %) is above 0.95. The gap of a group is
the share not flagged of everybody else, less that of the group. On the test split, for 30 seeds (0
to 29) as lowest / mean / highest, and for `SEED`:

================================== ============================= =====
without age and region             30 seeds                      SEED
================================== ============================= =====
average precision                  0.837 / 0.870 / 0.893         0.846
recall                             0.943 / 0.966 / 0.985         0.973
share flagged                      0.115 / 0.127 / 0.145         0.121
precision                          0.331 / 0.376 / 0.422         0.353
gap of the biased region           0.257 / 0.290 / 0.338         0.301
how much smaller any other group's 0.172 / 0.197 / 0.227         0.211
is, either way, by `age>=60` or
region
================================== ============================= =====

With age and region among the features, gaps are 0.258 / 0.298 / 0.340 and the distances to the
others 0.175 / 0.201 / 0.237. `BIAS_GAP` and `BIAS_MARGIN` are what tests may rely on.

**What hangs on the seed.** Recall on the test split was above 0.95 for 27 of the 30 seeds. It
cannot be so for all: the rule makes a true recall above 0.95 likely, and the test split adds a
chance of its own. `SEED` is the last day of the period, and was not chosen by what came out. Frauds
in validation and test were 320 or more for the 30 seeds; with `SEED` they are 380 and 339, and
5.1 % of the rows are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

ROWS = 31_000
MIN_ROWS = 100  # fewer may not hold the blemishes
SEED = 20250330
SCENARIO = (
    Path(__file__).resolve().parents[1] / "{{cookiecutter.project_slug}}" / "scenarios" / "fraud"
)
OUTPUT = SCENARIO / "data" / "fraud.csv"

FIRST_MOMENT = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 28
TRIP_DAYS = {1: 0.70, 2: 0.25, 3: 0.05}  # the days on which a customer pays, one after the other
PAYMENTS = 6  # of a customer, on average
WAKING_HOURS = (8, 23)

CHANNELS = ("pos", "web", "app", "atm")
MERCHANTS = ("food", "fuel", "shop", "stay", "ride", "kiosk")
REGIONS = {"N": 0.26, "E": 0.26, "S": 0.26, "W": 0.22}
AGES = (18, 84)
OLDER = 60  # the facet `age>=60` compares those with the younger

THIEVES_SHARE = 0.039
HONEST = {
    "night": 0.08,  # the share outside WAKING_HOURS
    "new_device": 0.03,  # the share
    "attempts": 0.10,  # the mean
    "amount": 0.0,  # the mean of the logarithm of amount / usual
    "distance": 1.2,  # the mean of the logarithm
}
THIEF = {"night": 0.45, "new_device": 0.55, "attempts": 1.50, "amount": 1.2, "distance": 3.9}
SPREAD = {"amount": 0.55, "distance": 1.0}  # standard deviations of the logarithms
CHANNELS_OF_HONEST = dict(zip(CHANNELS, (0.46, 0.16, 0.26, 0.12), strict=True))
CHANNELS_OF_THIEVES = dict(zip(CHANNELS, (0.12, 0.58, 0.14, 0.16), strict=True))

BIASED_REGION = "W"
PROXY_MERCHANT = "kiosk"
PROXY_SHARE_BIASED = 0.35
PROXY_SHARE_ELSEWHERE = 0.003
FLIPPED_SHARE = 0.14
BIAS_GAP = 0.20  # the biased region's gap is at least this ...
BIAS_MARGIN = 0.12  # ... and the size of any other group's is smaller by at least this

MISSING_SHARES = {"usual": 0.010, "distance": 0.020}
UNREADABLE_DATES = ("00/00", "#N/A") * 4
EMPTY_IDS = 3
REPEATED_IDS = 4
ISSUED_LATER = 3

COLUMNS = (
    "transaction_id",
    "customer_id",
    "time",
    "is_fraud",
    "amount",
    "usual",
    "channel",
    "merchant",
    "attempts",
    "distance",
    "new_device",
    "issued",
    "age",
    "region",
)

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table to a file."""
    parser = argparse.ArgumentParser(description="Writes the fraud scenario's sample table.")
    parser.add_argument("--rows", type=int, default=ROWS, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=SEED, help="default %(default)s")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        table = fraud(options.rows, options.seed)
    except ValueError as error:
        parser.error(str(error))
    write(table, options.output)


def fraud(rows: int, seed: int) -> pd.DataFrame:
    """The table of `rows` payments, with `COLUMNS`; moments, months and ids are text.

    Raises ValueError for fewer than `MIN_ROWS` rows or a negative seed.
    """
    if rows < MIN_ROWS:
        raise ValueError(f"rows is {rows}; at least {MIN_ROWS} are needed to hold the blemishes")
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be 0 or more")
    rng = np.random.default_rng(seed)
    customers = _customers(rng, rows // PAYMENTS)
    table = customers.take(rng.integers(0, len(customers), rows)).reset_index(drop=True)
    thief = rng.permutation(rows) < round(THIEVES_SHARE * rows)
    table["time"] = _minutes(rng, table, thief)
    table = table.assign(is_fraud=thief.astype(np.int64), **_behaviour(rng, table["usual"], thief))
    _plant_bias(rng, table)
    table = table.sort_values("time", kind="stable", ignore_index=True)
    table["transaction_id"] = _codes(rng, rows, length=5)
    _leave_out_values(rng, table)
    return _blemish(rng, table)[list(COLUMNS)]


def write(table: pd.DataFrame, path: Path) -> None:
    """Writes the same bytes on every machine: every number of the table is a whole one."""
    table.to_csv(path, index=False, float_format="%.0f", lineterminator="\n", encoding="utf-8")


def _customers(rng: np.random.Generator, count: int) -> pd.DataFrame:
    """What is the same in all payments of a customer; `first_day` counts from `FIRST_MOMENT`."""
    trip_days = _pick(rng, TRIP_DAYS, count).astype(np.int64)
    return pd.DataFrame(
        {
            "customer_id": _codes(rng, count, length=4),
            "first_day": rng.integers(0, DAYS - trip_days + 1),
            "trip_days": trip_days,
            "usual": 2 + np.exp(3.0 + 0.5 * rng.standard_normal(count)).round(),
            "months": rng.exponential(14, count).clip(1, 60).astype(np.int64),  # card's age
            "age": rng.integers(AGES[0], AGES[1] + 1, count),
            "region": _pick(rng, REGIONS, count),
        }
    )


def _minutes(rng: np.random.Generator, table: pd.DataFrame, thief: Booleans) -> Integers:
    """The moment of each payment, in minutes after `FIRST_MOMENT`."""
    rows = len(table)
    day = (table["first_day"] + rng.integers(0, table["trip_days"])).to_numpy()
    waking, sleeping = WAKING_HOURS
    by_day = rng.integers(waking, sleeping, rows)
    by_night = rng.integers(sleeping, 24 + waking, rows) % 24
    hour = np.where(rng.random(rows) < _whose("night", thief), by_night, by_day)
    minutes: Integers = (24 * day + hour) * 60 + rng.integers(0, 60, rows)
    return minutes


def _behaviour(
    rng: np.random.Generator, usual: pd.Series, thief: Booleans
) -> dict[str, Floats | Integers | Texts]:
    """What tells a thief from the customer, though neither of them always shows it."""
    rows = len(usual)
    amount, distance = (
        np.exp(_whose(name, thief) + SPREAD[name] * rng.standard_normal(rows))
        for name in ("amount", "distance")
    )
    honest_channel = _pick(rng, CHANNELS_OF_HONEST, rows)
    return {
        "amount": (usual.to_numpy() * amount).round().clip(1, 9999),
        "distance": distance.round().clip(0, 9999),
        "attempts": rng.poisson(_whose("attempts", thief)).clip(0, 9),
        "new_device": (rng.random(rows) < _whose("new_device", thief)).astype(np.int64),
        "channel": np.where(thief, _pick(rng, CHANNELS_OF_THIEVES, rows), honest_channel),
    }


def _plant_bias(rng: np.random.Generator, table: pd.DataFrame) -> None:
    """Lets `merchant` give `BIASED_REGION` away; turns labels there whatever the customer did."""
    rows = len(table)
    biased = (table["region"] == BIASED_REGION).to_numpy()
    proxy = rng.random(rows) < np.where(biased, PROXY_SHARE_BIASED, PROXY_SHARE_ELSEWHERE)
    others = [merchant for merchant in MERCHANTS if merchant != PROXY_MERCHANT]
    elsewhere = np.array(others, dtype=object)[rng.integers(0, len(others), rows)]
    table["merchant"] = np.where(proxy, PROXY_MERCHANT, elsewhere)
    table.loc[biased & proxy & (rng.random(rows) < FLIPPED_SHARE), "is_fraud"] = 1


def _leave_out_values(rng: np.random.Generator, table: pd.DataFrame) -> None:
    for column, share in MISSING_SHARES.items():
        table.loc[rng.random(len(table)) < share, column] = np.nan


def _blemish(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    """The table with its moments as text and the faults that real tables have, one to a row."""
    unreadable, nameless, later_issued, pairs, _ = np.split(
        rng.permutation(len(table)),
        np.cumsum([len(UNREADABLE_DATES), EMPTY_IDS, ISSUED_LATER, 2 * REPEATED_IDS]),
    )
    earlier, later = np.sort(pairs.reshape(2, -1), axis=0)
    source = np.arange(len(table))
    source[later] = earlier
    table = table.take(source).reset_index(drop=True)
    table.loc[later, "amount"] += 1 + (table.loc[later, "amount"] / 10).round()

    table.loc[later_issued, "months"] = -1
    moments = [FIRST_MOMENT + timedelta(minutes=minutes) for minutes in table["time"].tolist()]
    months = zip(moments, table["months"].tolist(), strict=True)
    table["issued"] = [_month(moment, before) for moment, before in months]
    table["time"] = [f"{moment:%Y-%m-%dT%H:%MZ}" for moment in moments]
    table.loc[unreadable, "issued"] = UNREADABLE_DATES
    table.loc[nameless, "transaction_id"] = ""
    return table


def _month(moment: datetime, before: int) -> str:
    """The month so many before a moment's, as it stands on a card: 11/24."""
    year, month = divmod(12 * moment.year + moment.month - 1 - before, 12)
    return f"{month + 1:02d}/{year % 100:02d}"


def _codes(rng: np.random.Generator, count: int, length: int) -> Texts:
    """Different texts of digits and consonants: none is a word, such as NULL, or reads 12E4."""
    alphabet = np.frombuffer(b"0123456789BCDFGHJKLMNPQRSTVWXYZ", dtype="S1")
    base = len(alphabet)
    numbers = rng.choice(base**length, size=count, replace=False)
    characters = alphabet[numbers[:, np.newaxis] // base ** np.arange(length) % base]
    codes: Texts = characters.view(f"S{length}").ravel().astype(f"U{length}").astype(object)
    return codes


def _pick(
    rng: np.random.Generator, shares: Mapping[str, float] | Mapping[int, float], rows: int
) -> Texts:
    names = np.array(list(shares), dtype=object)
    edges = np.cumsum(list(shares.values()))[:-1]
    return names[np.searchsorted(edges, rng.random(rows), side="right")]


def _whose(name: str, thief: Booleans) -> Floats:
    return np.where(thief, THIEF[name], HONEST[name])


if __name__ == "__main__":
    main()
