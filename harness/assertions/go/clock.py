"""Times as Go reads and prints them: RFC 3339, and layouts made of the reference time 2006-01-02 15:04:05.

A time is its nanoseconds since the year 1, in UTC, and the offset of its zone. Years are 0 to 9999.
"""

import re
from dataclasses import dataclass
from datetime import datetime

RFC3339 = "2006-01-02T15:04:05Z07:00"
_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
# The parts of a layout; of two that start alike the longer one first.
_PARTS = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|__2|_2006|_2|002|01|02|03|04|05|06|15|PM|pm"
    r"|Z070000|Z07:00:00|Z0700|Z07:00|Z07|-070000|-07:00:00|-0700|-07:00|-07|[.,]0+(?![0-9])|[.,]9+(?![0-9])|1|2|3|4|5"
)
_DIGITS = {"2006": 4, "002": 3, "01": 2, "02": 2, "03": 2, "04": 2, "05": 2, "06": 2}


@dataclass(frozen=True, slots=True)
class Time:
    """`instant`: nanoseconds since 0001-01-01T00:00:00Z; `offset`: seconds east of UTC."""

    instant: int
    offset: int = 0

    @classmethod
    def of(cls, moment: datetime) -> "Time":
        """From an aware datetime."""
        offset = moment.utcoffset()
        seconds = 0 if offset is None else int(offset.total_seconds())
        local = (moment.toordinal() - 1) * _DAY + (moment.hour * 3600 + moment.minute * 60 + moment.second) * _SECOND
        return cls(local + moment.microsecond * 1000 - seconds * _SECOND, seconds)

    def text(self) -> str:
        """RFC 3339, without a fraction of the second."""
        year, month, day, rest = self.local()
        seconds = rest // _SECOND
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        minutes = abs(self.offset) // 60
        zone = f"{'-' if self.offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}" if self.offset else "Z"
        return f"{year:04d}-{month:02d}-{day:02d}T{clock}{zone}"

    def local(self) -> tuple[int, int, int, int]:
        """Year, month, day, and nanoseconds since midnight, in its own zone."""
        days, rest = divmod(self.instant + self.offset * _SECOND, _DAY)
        return (*_date(days), rest)

    def weekday(self) -> int:
        """0 is Sunday."""
        return ((self.instant + self.offset * _SECOND) // _DAY + 1) % 7

    def truncated(self, duration: int) -> "Time":
        """Rounded down to a multiple of `duration` nanoseconds since the year 1."""
        return self if duration <= 0 else Time(self.instant - self.instant % duration, self.offset)


def _days_before(year: int, month: int) -> int:
    """Days from 0001-01-01 to the first of a month, in the calendar that has always been Gregorian."""
    past = year - 1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    before = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)[month - 1] + (1 if leap and month > 2 else 0)
    return past * 365 + past // 4 - past // 100 + past // 400 + before


def _date(days: int) -> tuple[int, int, int]:
    year = days * 400 // 146_097 + 1
    while _days_before(year, 1) > days:
        year -= 1
    while _days_before(year + 1, 1) <= days:
        year += 1
    month = next(month for month in range(12, 0, -1) if _days_before(year, month) <= days)
    return year, month, days - _days_before(year, month) + 1


def parse(layout: str, text: str) -> Time:
    """The time that `text` gives in `layout`. Raises ValueError."""
    found = _Found(text)
    at = 0
    for part in _PARTS.finditer(layout):
        found.literal(layout[at : part.start()])
        found.part(part[0], layout[part.end() :])
        at = part.end()
    found.literal(layout[at:])
    if found.rest:
        raise ValueError(f"cannot read {text[:60]!r} as {layout!r}: extra text {found.rest[:30]!r}")
    return found.time()


class _Found:
    """What was read of a text so far."""

    def __init__(self, text: str) -> None:
        self.text = self.rest = text
        self.year, self.month, self.day, self.year_day = 0, 1, 1, 0
        self.day_given = self.month_given = False
        self.hour = self.minute = self.second = self.fraction = self.offset = 0
        self.afternoon: bool | None = None

    def _refuse(self, what: str) -> ValueError:
        return ValueError(f"cannot read {self.text[:60]!r}: {what}")

    def literal(self, expected: str) -> None:
        """A space stands for any number of them."""
        for character in expected:
            if character == " ":
                if self.rest and self.rest[0] != " ":
                    raise self._refuse("a space was expected")
                self.rest = self.rest.lstrip(" ")
            elif self.rest[:1] == character:
                self.rest = self.rest[1:]
            else:
                raise self._refuse(f"{character!r} was expected at {self.rest[:20]!r}")

    def _number(self, part: str) -> int:
        self.rest = self.rest.lstrip(" ") if part in ("_2", "__2") else self.rest
        width = _DIGITS.get(part, 2)
        least = 1 if part in ("_2", "1", "2", "3", "4", "5", "15") else width
        most = 3 if part == "__2" else width
        digits = re.match(rf"[0-9]{{{1 if part == '__2' else least},{most}}}", self.rest)
        if digits is None:
            raise self._refuse(f"digits were expected at {self.rest[:20]!r}")
        self.rest = self.rest[digits.end() :]
        return int(digits[0])

    def _word(self, words: list[str], length: int | None) -> int:
        for position, word in enumerate(words):
            shown = word[:length]
            if self.rest[: len(shown)].lower() == shown.lower():
                self.rest = self.rest[len(shown) :]
                return position
        raise self._refuse(f"a name was expected at {self.rest[:20]!r}")

    def _within(self, value: int, least: int, most: int, what: str) -> int:
        if not least <= value <= most:
            raise self._refuse(f"{what} out of range")
        return value

    def part(self, part: str, following: str) -> None:
        match part:
            case "2006":
                self.year = self._number(part)
            case "_2006":
                self.literal("_")
                self.year = self._number("2006")
            case "06":
                two = self._number(part)
                self.year = two + (1900 if two >= 69 else 2000)
            case "January" | "Jan":
                self.month, self.month_given = self._word(_MONTHS, 3 if part == "Jan" else None) + 1, True
            case "1" | "01":
                self.month, self.month_given = self._within(self._number(part), 1, 12, "month"), True
            case "Monday" | "Mon":
                self._word(_DAYS, 3 if part == "Mon" else None)
            case "2" | "_2" | "02":
                self.day, self.day_given = self._number(part), True
            case "002" | "__2":
                self.year_day = self._number(part)
                self._within(self.year_day, 1, 366, "day of the year")
            case "15":
                self.hour = self._within(self._number(part), 0, 23, "hour")
            case "3" | "03":
                self.hour = self._within(self._number(part), 0, 12, "hour")
            case "4" | "04":
                self.minute = self._within(self._number(part), 0, 59, "minute")
            case "5" | "05":
                self.second = self._within(self._number(part), 0, 59, "second")
                # A fraction may follow although the layout has none.
                if not re.match(r"[.,][09]+(?![0-9])", following) and re.match(r"[.,][0-9]", self.rest):
                    self._fraction("9")
            case "PM" | "pm":
                word = self.rest[:2]
                if word not in (("PM", "AM") if part == "PM" else ("pm", "am")):
                    raise self._refuse(f"{part} was expected")
                self.afternoon, self.rest = word in ("PM", "pm"), self.rest[2:]
            case "MST":
                self._zone_name()
            case _ if part[0] in ".,":
                self._fraction(part[1:])
            case _:
                self._zone(part)

    def _fraction(self, digits: str) -> None:
        if digits[0] == "9":
            match = re.match(r"[.,]([0-9]+)", self.rest)
            if match is None:
                return
        else:
            match = re.match(rf"[.,]([0-9]{{{len(digits)}}})(?![0-9])", self.rest)
            if match is None:
                raise self._refuse("a fraction of the second was expected")
        self.fraction = int(match[1][:9].ljust(9, "0"))
        self.rest = self.rest[match.end() :]

    def _zone(self, part: str) -> None:
        if part[0] == "Z" and self.rest[:1] == "Z":
            self.rest = self.rest[1:]
            return
        colon = ":" if ":" in part else ""
        pieces = len(part.replace(":", "")[1:]) // 2
        match = re.match(r"([+-])" + colon.join([r"([0-9]{2})"] * pieces), self.rest)
        if match is None:
            raise self._refuse(f"an offset such as {part} was expected at {self.rest[:20]!r}")
        hours, minutes, seconds = (int(piece) for piece in (*match.groups()[1:], 0, 0)[:3])
        self._within(hours, 0, 24, "offset")
        self._within(minutes, 0, 60, "offset")
        self._within(seconds, 0, 60, "offset")
        self.offset = (hours * 3600 + minutes * 60 + seconds) * (1 if match[1] == "+" else -1)
        self.rest = self.rest[match.end() :]

    def _zone_name(self) -> None:
        """A name tells no offset, but UTC and GMT+3."""
        match = re.match(r"UTC|GMT(?:[+-][0-9]{1,2})?|Ch?ST|MeST|WITA|[A-Z]{3}T|[A-Z]{3}|[+-][0-9]{2}", self.rest)
        if match is None:
            raise self._refuse("the name of a zone was expected")
        if match[0].startswith("GMT") and len(match[0]) > 3:
            self.offset = int(match[0][3:]) * 3600
        self.rest = self.rest[match.end() :]

    def time(self) -> Time:
        if self.afternoon and self.hour < 12:
            self.hour += 12
        elif self.afternoon is False and self.hour == 12:
            self.hour = 0
        if self.year_day:
            days = _days_before(self.year, 1) + self.year_day - 1
            year, month, day = _date(days)
            if year != self.year or (self.month_given and month != self.month) or (self.day_given and day != self.day):
                raise self._refuse("day of the year out of range")
        else:
            following = (self.year + 1, 1) if self.month == 12 else (self.year, self.month + 1)
            first = _days_before(self.year, self.month)
            self._within(self.day, 1, _days_before(*following) - first, "day")
            days = first + self.day - 1
        clock = (self.hour * 3600 + self.minute * 60 + self.second - self.offset) * _SECOND
        return Time(days * _DAY + clock + self.fraction, self.offset)
