"""Wrong rows, values and totals."""

import struct
import unicodedata
from copy import copy

from kairos_plain import Plain

from kairos import rows

from .registry import wrong


@wrong("test_storage_copies")
class RowsNotCopied(Plain):
    def row(self, interval, name, cell):
        return self.place.cells[self.key(interval, name)][cell]


@wrong("test_storage_copies")
class PayloadsKept(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        own[cell] = rows.add(self.kind, own[cell], payload) if cell in own else payload


@wrong("test_order")
class SeriesWithoutRepeats(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return list(dict.fromkeys(row)) if self.kind == "series" else row


@wrong("test_order")
class SeriesInOrderOfValue(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return sorted(row, key=repr) if self.kind == "series" else row


@wrong("test_order")
class SeriesNewestFirst(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return row[::-1] if self.kind == "series" else row


@wrong("test_order")
class GaugeKeepsTheFirst(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        own[cell] = (
            own[cell] if self.kind == "gauge" and cell in own else rows.add(self.kind, own.get(cell), payload)
        )


@wrong("test_order")
class GaugeWithoutFalsyValues(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return (row or None) if self.kind == "gauge" else row


@wrong("test_storage_write_and_read")
class LastBatchWins(Plain):
    def add(self, interval, name, cell, payload):
        self.place.cells.setdefault(self.key(interval, name), {})[cell] = rows.add(self.kind, None, payload)


@wrong("test_storage_write_and_read")
class HistogramCountsWritesNotValues(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, dict.fromkeys(payload, 1) if self.kind == "histogram" else payload)


@wrong("test_values_round_trip")
class BytesAsText(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return row.decode("latin-1") if isinstance(row, bytes) else row


@wrong("test_limits")
class TextCut(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, payload[:900] if isinstance(payload, str) else payload)


@wrong("test_values_round_trip")
class TextStripped(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, payload.rstrip(" ") if isinstance(payload, str) else payload)


@wrong("test_limits")
class NumbersAsDoubles(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return float(row) if self.kind == "gauge" and type(row) is int else row


@wrong("test_whole_floats")
class TotalsAsDoubles(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, float(payload) if self.kind == "count" else payload)


@wrong("test_storage_whole_totals")
class WholeTotalsAsFloats(Plain):
    def row(self, interval, name, cell):
        return copy(self.place.cells[self.key(interval, name)][cell])


@wrong("test_beyond_64_bits")
class TotalsWrap(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        if self.kind == "count" and type(payload) is int:
            own[cell] = (own.get(cell, 0) + payload + 2**63) % 2**64 - 2**63
        else:
            own[cell] = rows.add(self.kind, own.get(cell), payload)


@wrong("test_zero_and_cancelling")
class ZeroIsNoData(Plain):
    def found(self, name, interval):
        own = self.place.cells.get(self.key(interval, name), {})
        return [cell for cell in super().found(name, interval) if self.kind != "count" or own[cell] != 0]


@wrong("test_fractions")
class FractionsRounded(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, round(payload, 6) if self.kind == "count" else payload)


@wrong("test_storage_write_and_read")
class HistogramOverwrites(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        if self.kind == "histogram":
            own[cell] = {**own.get(cell, {}), **payload}
        else:
            own[cell] = rows.add(self.kind, own.get(cell), payload)


@wrong("test_storage_write_and_read")
class SetAsList(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return list(row) if self.kind == "set" else row


@wrong("test_values_round_trip")
class HistogramKeysAsText(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return {str(key): n for key, n in row.items()} if self.kind == "histogram" else row


@wrong("test_values_round_trip")
class FloatsCut(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return round(row, 6) if self.kind == "gauge" and type(row) is float else row


@wrong("test_values_round_trip")
class FloatsOf32Bits(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        small = self.kind == "gauge" and type(row) is float and abs(row) < 1e30
        return struct.unpack("f", struct.pack("f", row))[0] if small else row


@wrong("test_values_round_trip")
class IntsOf32Bits(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return (row + 2**31) % 2**32 - 2**31 if self.kind == "gauge" and type(row) is int else row


@wrong("test_values_round_trip")
class EmptyTextIsNothing(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return None if row == "" else row


@wrong("test_values_round_trip")
class TextNormalized(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return unicodedata.normalize("NFC", row) if isinstance(row, str) else row


@wrong("test_generated_values or test_values_round_trip")
class SetFoldsItsValues(Plain):
    def add(self, interval, name, cell, payload):
        folded = {v.lower() if isinstance(v, str) else v for v in payload} if self.kind == "set" else payload
        super().add(interval, name, cell, folded)


@wrong("test_order")
class SeriesKeepsTheLastTen(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return row[-10:] if self.kind == "series" else row


@wrong("test_exact_ints or test_storage_write_and_read")
class CountKeepsTheLargest(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        if self.kind == "count":
            own[cell] = max(own.get(cell, payload), payload)
        else:
            own[cell] = rows.add(self.kind, own.get(cell), payload)
