"""Writes the salary scenario's sample table: employees of many firms in a pay survey, all invented.

::

    python samples/salary.py [--rows 10000] [--seed 20260101] [-o FILE]

The same rows and seed give the same bytes. No row is taken from anybody's data.

**Columns**, as a survey house has them, one row an employee:

================= ===============================================================================
employee_id       E and seven digits
salary            the label: pay of a year, in money
job_family        one of eight, such as engineering or support
job_level         L1 (lowest) to L6
hired             day on which the firm hired the employee, as 2025-12-31
job_since         day from which the employee has had this job; not before hired
surveyed          day on which the firm answered
weekly_hours      by contract, 20 to 40
reports           how many people report to the employee
location          pay zone, Z1 to Z4
market_median     what the market pays for the job, full time, as the firm's source has it
target_percentile where in that market the firm wants to pay: 40, 50, 60 or 75
industry          one of six
firm_size         how many people the firm employs
collective        1 = a collective agreement applies
education         school, vocational, bachelor, master or doctorate
certificates      how many
experience        full years in the trade, with any firm
rating            the last one, 1 to 5
home_days         days a week worked at home
hired_through     advert, agency, campus, referral or transfer
gender            F or M
age               in years
ethnicity         A, B, C or D
================= ===============================================================================

**Signal.** The job is worth `FAMILY_PAY` times `LEVEL_PAY` times `INDUSTRY_PAY`, of which the
market median is a reading; hours count in proportion, and `LOG_PAY` has the weights of everything
else in the logarithm of the pay. Chance is log-normal (`PAY_SPREAD`), so that salaries are skewed:
median 49,100, mean 54,300, highest 238,000. `home_days` says nothing, `hired_through` only by the
planted bias. Zones differ by little (`ZONE_PAY`). Neither gender nor age is paid for: levels are
drawn whatever the age, and those of 40 and more come out ahead only by their years.

**Blemishes**, no row having two: 8 unreadable dates (`#N/A`, `0000-00-00`, in any of the three
columns), 3 empty ids, 4 employees with a second, later row (4 % better paid), 3 who have had the
job since before they were hired. These counts are the same for every number of rows. Besides, 2 %
of the market medians, 3 % of the target percentiles, 1.5 % of the firm sizes, 2 % of the
educations and 3 % of the ratings are empty. No label and no facet is.

**Planted bias.** Whoever is of `BIASED_ETHNICITY` is paid `UNDERPAID_SHARE` less, whatever the
job, and `hired_through` gives the group away: most of it came through an agency, hardly anybody
else did. So a model that never sees ethnicity predicts less for this group all the same.

**Its margin.** The gap of a group is the share of everybody else predicted above the training
split's median salary, less that of the group. Plain XGBoost (eta 0.3, 100 rounds) on what the
scenario's `features.py` makes, 10,000 rows split 60/15/25 by hash. Measured with `SEED` over 50
salts, as lowest / mean / highest:

============================================ ======================= =====================
gender, age and ethnicity among the features no                      yes
============================================ ======================= =====================
RMSE                                         9,370 / 9,860 / 10,360 8,820 / 9,220 / 9,790
R2                                           0.817 / 0.837 / 0.854   0.836 / 0.858 / 0.868
gap of the biased ethnicity                  0.253 / 0.291 / 0.343   0.318 / 0.359 / 0.386
how much smaller any other group's is,       0.169 / 0.201 / 0.249   0.207 / 0.250 / 0.292
either way, in all four facets
============================================ ======================= =====================

The next largest is nearly always another ethnicity's (on the favoured side, for the biased one is
among everybody else); no gap in gender, age or zone is above 0.08. In the salaries themselves the
biased ethnicity's gap is 0.295 / 0.339 / 0.379. Without `hired_through` among the features it is
at most 0.06 (20 salts), and the mean RMSE 12,430. Five other seeds (15 salts each) give no gap
below 0.25, no distance to the others below 0.15, no RMSE above 10,400, and no gap in gender, age
or zone above 0.10. Every group has more than 350 test rows. Tests may rely on `BIAS_GAP` and
`BIAS_MARGIN`, and on an RMSE below the gate of the scenario's `pipeline.toml`: 11,000, a tenth
above the mean RMSE of the first column, in round numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn import Floats, Integers, Texts

ROWS = 10_000
MIN_ROWS = 100  # fewer may not hold the blemishes
SEED = 20260101
SCENARIO = (
    Path(__file__).resolve().parents[1] / "{{cookiecutter.project_slug}}" / "scenarios" / "salary"
)
OUTPUT = SCENARIO / "data" / "salary.csv"

FIRST_DAY = date(1975, 1, 1)  # nobody was hired before
SURVEY_DAYS = (date(2025, 10, 1), date(2025, 12, 31))
ROWS_A_FIRM = 25  # on average

LEVELS = {"L1": 0.15, "L2": 0.27, "L3": 0.28, "L4": 0.17, "L5": 0.09, "L6": 0.04}
EDUCATIONS = {"school": 0.2, "vocational": 0.3, "bachelor": 0.3, "master": 0.16, "doctorate": 0.04}
PERCENTILES = {40: 0.15, 50: 0.50, 60: 0.20, 75: 0.15}
HOURS = {20: 0.04, 24: 0.02, 30: 0.04, 32: 0.03, 36: 0.17, 38: 0.20, 40: 0.50}
ZONES = {"Z1": 0.22, "Z2": 0.30, "Z3": 0.26, "Z4": 0.22}
GENDERS = {"F": 0.48, "M": 0.52}
ETHNICITIES = {"A": 0.34, "B": 0.27, "C": 0.17, "D": 0.22}
CHANNELS = ("advert", "agency", "campus", "referral", "transfer")
LEAVING_AGE = {"school": 18, "vocational": 20, "bachelor": 22, "master": 24, "doctorate": 28}
OLDEST = 66
REPORTS = {"L1": 0.0, "L2": 0.1, "L3": 0.6, "L4": 2.0, "L5": 5.0, "L6": 8.0}  # on average

# What a job is worth on the market, in money a year, full time: family times level times industry.
FAMILY_PAY = {
    "engineering": 46_000,
    "finance": 44_000,
    "marketing": 40_000,
    "operations": 36_000,
    "people": 38_000,
    "research": 45_000,
    "sales": 41_000,
    "support": 34_000,
}
LEVEL_PAY = {"L1": 0.82, "L2": 1.00, "L3": 1.20, "L4": 1.50, "L5": 1.90, "L6": 2.50}
INDUSTRY_PAY = {
    "banking": 1.10,
    "building": 0.97,
    "energy": 1.08,
    "health": 0.98,
    "retail": 0.90,
    "software": 1.12,
}
SOURCE_SPREAD = 0.04  # by how much the firms' sources of a market median differ, in log money

LOG_PAY = {
    "aim": 0.006,  # each percentile above 50 that the firm aims at
    "size": 0.020,  # firm size, each e-fold above 300
    "collective": 0.020,
    "experience": 0.07,  # years in the trade, full at ten
    "in_job": 0.07,  # years in the job, full at six
    "rating": 0.03,  # each point above 3
    "reports": 0.03,  # logarithm of one more than the reports
    "education": 0.02,  # each step
    "certificates": 0.010,
}
ZONE_PAY = {"Z1": -0.015, "Z2": 0.0, "Z3": 0.010, "Z4": 0.020}  # little: must not rival the bias
PAY_SPREAD = 0.13  # chance, in log money

BIASED_ETHNICITY = "C"
UNDERPAID_SHARE = 0.32
AGENCY_SHARE_BIASED = 0.92
AGENCY_SHARE_ELSEWHERE = 0.02
BIAS_GAP = 0.20  # the biased group's gap is at least this ...
BIAS_MARGIN = 0.12  # ... and the size of any other group's is smaller by at least this

MISSING_SHARES = {
    "market_median": 0.02,
    "target_percentile": 0.03,
    "firm_size": 0.015,
    "education": 0.02,
    "rating": 0.03,
}
DATE_COLUMNS = ("hired", "job_since", "surveyed")
UNREADABLE_DATES = ("#N/A", "0000-00-00") * 4
EMPTY_IDS = 3
REPEATED_IDS = 4
REVERSED_DATES = 3
RAISE = 1.04  # in the later row of a repeated employee

COLUMNS = (
    "employee_id",
    "salary",
    "job_family",
    "job_level",
    *DATE_COLUMNS,
    "weekly_hours",
    "reports",
    "location",
    "market_median",
    "target_percentile",
    "industry",
    "firm_size",
    "collective",
    "education",
    "certificates",
    "experience",
    "rating",
    "home_days",
    "hired_through",
    "gender",
    "age",
    "ethnicity",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table to a file."""
    parser = argparse.ArgumentParser(description="Writes the salary scenario's sample table.")
    parser.add_argument("--rows", type=int, default=ROWS, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=SEED, help="default %(default)s")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        table = salary(options.rows, options.seed)
    except ValueError as error:
        parser.error(str(error))
    write(table, options.output)


def salary(rows: int, seed: int) -> pd.DataFrame:
    """The table of `rows` employees, with `COLUMNS`; dates and ids are text.

    Raises ValueError for fewer than `MIN_ROWS` rows or a negative seed.
    """
    if rows < MIN_ROWS:
        raise ValueError(f"rows is {rows}; at least {MIN_ROWS} are needed to hold the blemishes")
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be 0 or more")
    rng = np.random.default_rng(seed)
    table = pd.concat([_firms(rng, rows), _people(rng, rows)], axis=1)
    table = table.assign(**_jobs(rng, table))
    table["market_median"] = _market_median(rng, table)
    table["salary"] = np.exp(_log_pay(table) + PAY_SPREAD * rng.standard_normal(rows))
    _plant_bias(rng, table)
    table["salary"] = table["salary"].round()
    _leave_out_values(rng, table)
    return _blemish(rng, table)[list(COLUMNS)]


def write(table: pd.DataFrame, path: Path) -> None:
    """Writes the same bytes on every machine: every number is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.0f", lineterminator="\n", encoding="utf-8")


def _firms(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """What the firm of each employee says of itself; the day it did as days after `FIRST_DAY`."""
    firms = -(-rows // ROWS_A_FIRM)
    first, last = ((day - FIRST_DAY).days for day in SURVEY_DAYS)
    firm = pd.DataFrame(
        {
            "industry": rng.choice(list(INDUSTRY_PAY), firms),
            "firm_size": np.exp(5.7 + 1.3 * rng.standard_normal(firms)).round() + 10,
            "collective": (rng.random(firms) < 0.35).astype(np.int64),
            "target_percentile": _pick(rng, PERCENTILES, firms),
            "surveyed": rng.integers(first, last + 1, firms),
        }
    )
    return firm.take(rng.integers(0, firms, rows)).reset_index(drop=True)


def _people(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Who they are: nothing here hangs on gender, ethnicity or zone, and little on age."""
    education = _pick(rng, EDUCATIONS, rows)
    left_school = pd.Series(education).map(LEAVING_AGE).to_numpy()
    working_years = np.ceil((OLDEST - left_school) * rng.beta(1.4, 1.8, rows)).astype(np.int64)
    return pd.DataFrame(
        {
            "employee_id": _ids(rng, rows),
            "gender": _pick(rng, GENDERS, rows),
            "age": left_school + working_years,
            "ethnicity": _pick(rng, ETHNICITIES, rows),
            "location": _pick(rng, ZONES, rows),
            "education": education,
            "certificates": rng.poisson(0.8, rows),
            "experience": np.floor(working_years * rng.beta(1.1, 1.9, rows)).astype(np.int64),
        }
    )


def _jobs(rng: np.random.Generator, table: pd.DataFrame) -> dict[str, object]:
    """What they do, and since when, as days after `FIRST_DAY`: no longer than in the trade."""
    rows = len(table)
    level = _pick(rng, LEVELS, rows)
    surveyed = table["surveyed"].to_numpy()
    hired = surveyed - np.ceil(365 * (table["experience"] + 0.5) * rng.beta(1.2, 1.2, rows))
    job_since = hired + np.floor((surveyed - hired) * rng.beta(0.8, 1.0, rows))
    return {
        "job_family": rng.choice(list(FAMILY_PAY), rows),
        "job_level": level,
        "hired": hired.astype(np.int64),
        "job_since": job_since.astype(np.int64),
        "weekly_hours": _pick(rng, HOURS, rows),
        "reports": rng.poisson(pd.Series(level).map(REPORTS)),
        "rating": np.clip(np.rint(3.2 + 0.9 * rng.standard_normal(rows)), 1, 5),
        "home_days": rng.integers(0, 6, rows),
    }


def _market_median(rng: np.random.Generator, table: pd.DataFrame) -> Floats:
    """What the firm's source says, in hundreds: sources differ a little."""
    source = np.exp(SOURCE_SPREAD * rng.standard_normal(len(table)))
    median: Floats = (_job_pay(table) * source / 100).round() * 100
    return median


def _job_pay(table: pd.DataFrame) -> Floats:
    """The job's worth on the market."""
    family = table["job_family"].map(FAMILY_PAY)
    level, industry = table["job_level"].map(LEVEL_PAY), table["industry"].map(INDUSTRY_PAY)
    pay: Floats = (family * level * industry).to_numpy(dtype=np.float64)
    return pay


def _log_pay(table: pd.DataFrame) -> Floats:
    """The logarithm of the yearly pay that job, place and person lead to; chance is added later."""
    signals = {
        "aim": table["target_percentile"] - 50,
        "size": np.log(table["firm_size"] / 300),
        "collective": table["collective"],
        "experience": np.minimum(table["experience"] / 10, 1),
        "in_job": np.minimum((table["surveyed"] - table["job_since"]) / 365 / 6, 1),
        "rating": table["rating"] - 3,
        "reports": np.log1p(table["reports"]),
        "education": table["education"].map(list(EDUCATIONS).index),
        "certificates": table["certificates"],
    }
    log_pay = np.log(_job_pay(table) * table["weekly_hours"] / 40) + sum(
        LOG_PAY[name] * signal for name, signal in signals.items()
    )
    total: Floats = (log_pay + table["location"].map(ZONE_PAY)).to_numpy(dtype=np.float64)
    return total


def _plant_bias(rng: np.random.Generator, table: pd.DataFrame) -> None:
    """Pays `BIASED_ETHNICITY` less for the same; lets `hired_through` give the group away."""
    rows = len(table)
    biased = (table["ethnicity"] == BIASED_ETHNICITY).to_numpy()
    table.loc[biased, "salary"] *= 1 - UNDERPAID_SHARE

    agency_share = np.where(biased, AGENCY_SHARE_BIASED, AGENCY_SHARE_ELSEWHERE)
    agency = rng.random(rows) < agency_share
    others = np.array([name for name in CHANNELS if name != "agency"], dtype=object)
    table["hired_through"] = np.where(agency, "agency", others[rng.integers(0, len(others), rows)])


def _leave_out_values(rng: np.random.Generator, table: pd.DataFrame) -> None:
    for column, share in MISSING_SHARES.items():
        table.loc[rng.random(len(table)) < share, column] = np.nan


def _blemish(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    """The table with its dates as text and the faults that real tables have, one to a row."""
    order = rng.permutation(len(table))
    in_between = (table["hired"] < table["job_since"]).to_numpy()
    reversed_ = order[in_between[order]][:REVERSED_DATES]
    unreadable, nameless, pairs, _ = np.split(
        order[~np.isin(order, reversed_)],
        np.cumsum([len(UNREADABLE_DATES), EMPTY_IDS, 2 * REPEATED_IDS]),
    )
    earlier, later = np.sort(pairs.reshape(2, -1), axis=0)

    source = np.arange(len(table))
    source[later] = earlier
    table = table.take(source).reset_index(drop=True)
    table.loc[later, "salary"] = (table.loc[later, "salary"] * RAISE).round()

    swapped = table.loc[reversed_, ["job_since", "hired"]].to_numpy()
    table.loc[reversed_, ["hired", "job_since"]] = swapped
    for column in DATE_COLUMNS:
        table[column] = _day_texts(table[column].to_numpy())
    for index, (row, text) in enumerate(zip(unreadable, UNREADABLE_DATES, strict=True)):
        table.loc[row, DATE_COLUMNS[index % len(DATE_COLUMNS)]] = text
    table.loc[nameless, "employee_id"] = ""
    return table


def _ids(rng: np.random.Generator, rows: int) -> Texts:
    """Different ids, E and seven digits."""
    numbers = rng.choice(10**7, size=rows, replace=False)
    return np.array([f"E{number:07d}" for number in numbers], dtype=object)


def _pick(rng: np.random.Generator, shares: Mapping[Any, float], rows: int) -> npt.NDArray[Any]:
    return rng.choice(list(shares), size=rows, p=list(shares.values()))


def _day_texts(days: Integers) -> Texts:
    """Each day after `FIRST_DAY` as 2025-12-31."""
    texts: Texts = (np.datetime64(FIRST_DAY) + days).astype(str).astype(object)
    return texts


if __name__ == "__main__":
    main()
