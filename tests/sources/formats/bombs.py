"""Small files that become large, or take long: a few for each format, none of more than 1 MB.

A new format adds its own: what its decoder can multiply, and what it searches.
"""

import base64
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable
from zipfile import ZIP_DEFLATED

import pyarrow as pa
import pyarrow.parquet as pq

from tests.sources.formats.test_excel import open_document, text

#: The name of the file, and its content.
Bomb = Callable[[], tuple[str, bytes]]
HEADER = "id,item,price\n"
#: zipped(repeated(bytes(1 << 20), times=1200), ZIP_BZIP2), packed once more: to make it takes seconds.
BZIP2_OF_1_2_GB = (
    "eNoL8GZm0WNgYOABYkWGs3nrrN1YGUDAG0Ql6qUkljhFZZgZOkaqBUeaSR3nZngV58BwgIGBQ4HBoMHXzVFTOYjTU+Yoa8pM35Qb"
    "2TI6zCsrGZiBWhUaGA4xmkqyLOn1UFUpFhGdlGo6OXFNwQa+pU/AljUxMHOwXEkRmmSqMGXimYAwzynXfNs2HjpgNX0CgwEDAxMH"
    "A4+CcOAEL48rTUHuo9aPWj9q/aj1g9L6viUZXxiKeAWA1jOBHXDYQGTZTIeuGysE4/SedBUsVNybzPEhwJuRSY8Zd1ELAw2MDLCC"
    "N8CblQ3EYQRCYyCdCVYHAAxdoKs="
)


def packed(parts: Iterable[bytes]) -> tuple[str, bytes]:
    """Return a file of parts, packed well."""
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=6) as file:
        for part in parts:
            file.write(part)
    return "a.dat.gz", target.getvalue()


def zipped(parts: Iterable[bytes], how: int) -> tuple[str, bytes]:
    """Return a zip archive of one file of parts."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", how, compresslevel=6) as archive, archive.open("a.dat", "w") as file:
        for part in parts:
            file.write(part)
    return "a.dat.zip", target.getvalue()


def plain(content: str | bytes, name: str = "a.dat") -> tuple[str, bytes]:
    return name, content.encode() if isinstance(content, str) else content


def repeated(part: bytes, times: int = 94, size: int = 1 << 20) -> Iterable[bytes]:
    """Return a part as often as it fits in so many MB."""
    block = part * (size // len(part))
    return (block for _ in range(times))


def workbook(cells: str, shared: str = "") -> bytes:
    """Return an .xlsx of these rows, below a header, in XML."""
    target = io.BytesIO()
    kinds = "http://schemas.openxmlformats.org"
    main = f"{kinds}/spreadsheetml/2006/main"
    documents = f"{kinds}/officeDocument/2006/relationships"
    head = "".join(
        f'<c r="{letter}1" t="inlineStr"><is><t>{name}</t></is></c>'
        for letter, name in zip("ABC", ["id", "item", "price"], strict=True)
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{kinds}/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{kinds}/package/2006/relationships"><Relationship Id="rId1" '
        f'Type="{documents}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{documents}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{kinds}/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{documents}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData><row r="1">{head}</row>{cells}'
        "</sheetData></worksheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{main}">{shared}</sst>',
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def parquet(**columns: pa.Array) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, compression="zstd")
    return target.getvalue()


def dictionary(size: int, rows: int) -> pa.Array:
    """Return a column in which one long text is that of every row."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * size]))


def wide(number: int) -> str:
    """Return a header of so many names."""
    return ",".join(f"c{n}" for n in range(number))


def parquet_bombs() -> list[Bomb]:
    rows = 3000
    ids = pa.array(range(rows))
    lists = pa.ListArray.from_arrays(pa.array(range(rows + 1), pa.int32()), dictionary(1 << 20, rows))
    struct = pa.StructArray.from_arrays([dictionary(1 << 20, rows)], ["a"])
    return [
        lambda: plain(parquet(id=ids, item=dictionary(1 << 20, rows), price=ids)),
        lambda: plain(parquet(id=ids, item=lists, price=ids)),
        lambda: plain(parquet(id=ids, item=struct, price=ids)),
        lambda: plain(parquet(id=ids, item=pa.array(["x" * (300 << 20)] + [""] * (rows - 1)), price=ids)),
        lambda: plain(parquet(**{f"{'n' * 40}{n}": pa.array([n]) for n in range(1500)})),
    ]


def excel_bombs() -> list[Bomb]:
    long = f"<si><t>{'x' * (1 << 20)}</t></si>"
    shared = "".join(f'<row><c><v>{n}</v></c><c t="s"><v>0</v></c></row>' for n in range(2000))
    number = '<table:table-cell office:value-type="float" office:value="1" table:number-columns-repeated="2400"/>'
    many = text("x" * 100_000, 'table:number-columns-repeated="100"')
    return [
        lambda: plain(workbook(shared, long), "a.xlsx"),
        # a search for the end of each would take hours
        lambda: plain(workbook(f"<!-- {'<c>' * 300_000} -->"), "a.xlsx"),
        lambda: plain(workbook(f"<!-- {'<row ' * 300_000} -->"), "a.xlsx"),
        lambda: plain(workbook("<row>" + "<c><v>1</v></c>" * 3_000_000 + "</row>"), "a.xlsx"),
        lambda: plain(workbook('<row r="3000"><c r="XFD3000"><v>1</v></c></row>'), "a.xlsx"),
        lambda: plain(open_document(number, options=' table:number-rows-repeated="2000"')),
        lambda: plain(open_document(many, options=' table:number-rows-repeated="100"')),
    ]


#: A few for each format, by its name.
BOMBS: dict[str, list[Bomb]] = {
    "Csv": [
        lambda: packed([HEADER.encode(), *repeated(b"x\n")]),
        lambda: packed([HEADER.encode(), *repeated(b"x\n", times=2)]),
        lambda: packed([HEADER.encode(), *repeated(b'1,a,1\n"\n')]),
        lambda: packed(repeated(bytes(1 << 10))),
        lambda: zipped(repeated(b"x\n"), ZIP_DEFLATED),
        lambda: ("a.dat.zip", zlib.decompress(base64.b64decode(BZIP2_OF_1_2_GB))),
        lambda: plain(f"{wide(70_000)}\n{wide(70_000)}\n"),
        lambda: plain(f"id,item,price,{wide(15_000)}\n" + f"1,a,2{',' * 15_000}\n" * 20),
    ],
    "Debezium": [
        lambda: packed([b'{"op":"c","after":{"item":[', *repeated(b"1,", times=12), b"1]}}\n"]),
        lambda: packed(repeated(b'{"op":"c","after":{}}\n', times=1, size=1 << 18)),
        lambda: packed(repeated(b"null\n", times=2)),
        lambda: plain("".join(f'{{"op":"c","after":{{"id":{n},"k{n}":1}}}}\n' for n in range(10_000))),
        lambda: plain('{"op":"c","after":{},"payload":' + "[" * 500_000),
    ],
    "Excel": excel_bombs(),
    "FixedWidth": [
        lambda: packed(repeated(b"x\n", times=1, size=1 << 18)),
        lambda: packed(repeated(bytes(1 << 10))),
    ],
    "Json": [
        lambda: packed([b"[[", *repeated(b"1,", times=10, size=1 << 19), b"1]]"]),
        lambda: packed([b"[", *repeated(b"{},"), b"{}]"]),
        lambda: packed([b'[{"id":', *repeated(b"[", times=2)]),
        lambda: plain(b"[" * 1_000_000),
    ],
    # what is around records stands beside each of them
    "Json, groups": [
        lambda: plain(f'{{"groups":[{{"item":"{"x" * 500_000}","sales":[{",".join(["{}"] * 150_000)}]}}]}}'),
    ],
    "JsonLines": [
        lambda: packed([b'{"item":[', *repeated(b"1,", times=12), b"1]}\n"]),
        lambda: packed(repeated(b"{}\n", times=1, size=1 << 18)),
        lambda: plain("".join(f'{{"id":{n},"k{n}":1}}\n' for n in range(10_000))),
    ],
    "Parquet": parquet_bombs(),
    "Xml, groups": [
        lambda: plain(f'<sales><group price="{"1" * 500_000}">{"<sale/>" * 70_000}</group></sales>'),
    ],
    "Xml": [
        lambda: packed([b"<sales><sale>", *repeated(b"<a/>"), b"</sale></sales>"]),
        lambda: packed([b"<sales><sale><", b"n" * 500_000, b">", *repeated(b"<a/>", times=6)]),
        lambda: plain(f"<sales><sale><{'n' * 300_000}>{''.join(f'<a{n}/>' for n in range(80_000))}"),
        lambda: plain(f"<sales><sale>{'<a>' * 300_000}"),
        lambda: plain(f"<sales><sale>{'a<b/>' * 200_000}</sale></sales>"),
    ],
}
