"""ASN.1 in DER, as far as certificates need it: a value is its tag, its content, and the bytes of both."""

from collections.abc import Iterator
from dataclasses import dataclass

INTEGER, BIT_STRING, OCTETS, OID, UTC_TIME, TIME, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x17, 0x18, 0x30, 0x31
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be", 0x12: "ascii"}


@dataclass(frozen=True, slots=True)
class Value:
    tag: int
    content: bytes
    raw: bytes

    def items(self) -> Iterator["Value"]:
        """What a constructed value is made of. Raises ValueError."""
        at = 0
        while at < len(self.content):
            item = read(self.content[at:])
            at += len(item.raw)
            yield item

    def integer(self) -> int:
        return int.from_bytes(self._of(INTEGER), "big", signed=True)

    def bits(self) -> bytes:
        """A bit string of whole bytes."""
        return self._of(BIT_STRING)[1:]

    def oid(self) -> tuple[int, ...]:
        numbers: list[int] = []
        number = 0
        for byte in self._of(OID):
            number = number << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(number)
                number = 0
        if not numbers:
            raise ValueError("an empty object identifier")
        first = min(numbers[0] // 40, 2)
        return (first, numbers[0] - 40 * first, *numbers[1:])

    def text(self) -> str:
        if self.tag not in _TEXTS:
            raise ValueError(f"no text: tag {self.tag:#x}")
        return self.content.decode(_TEXTS[self.tag], "replace")

    def time(self) -> str:
        """RFC 3339, in UTC."""
        if self.tag not in (UTC_TIME, TIME):
            raise ValueError(f"no time: tag {self.tag:#x}")
        digits = self.content.decode("ascii", "replace").removesuffix("Z")
        if self.tag == UTC_TIME:
            digits = ("19" if digits[:2] >= "50" else "20") + digits
        if len(digits) != 14 or not digits.isdigit():
            raise ValueError("a time that is not in UTC")
        date = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
        return f"{date}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}Z"

    def _of(self, tag: int) -> bytes:
        if self.tag != tag:
            raise ValueError(f"tag {self.tag:#x} instead of {tag:#x}")
        return self.content


def read(data: bytes) -> Value:
    """The value that `data` starts with. Raises ValueError."""
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise ValueError("not DER")
    length, start = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        start, length = 2 + count, int.from_bytes(data[2 : 2 + count], "big")
        if not 1 <= count <= 4:
            raise ValueError("not DER")
    if start + length > len(data):
        raise ValueError("the data is cut off")
    return Value(data[0], data[start : start + length], data[: start + length])
