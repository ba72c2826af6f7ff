"""B7's peer: zeep reads a SOAP answer by its WSDL and its objects become JSON. No network, no renaming, no checks.

zeep_read.py FOLDER ROUND: one turn for each input in FOLDER, as CSV rows like those of bench-read.
"""

import json
import pathlib
import statistics
import sys
import time

from zeep import Client, Settings
from zeep.helpers import serialize_object

TURN_SECONDS = 0.02
TURNS = 25
HERE = pathlib.Path(__file__).parent


class Answer:
    """As much of a response as zeep looks at."""

    status_code = 200
    encoding = "utf-8"
    headers = {"Content-Type": "text/xml; charset=utf-8"}

    def __init__(self, content):
        self.content = content


def reader(wsdl):
    client = Client(str(wsdl), settings=Settings(strict=True, xml_huge_tree=False))
    binding = client.service._binding
    operation = binding.get("Read")

    def read(content):
        return json.dumps(serialize_object(binding.process_reply(client, operation, Answer(content)), dict), default=str)

    return read


def check(text, expected):
    """Both read the same person and the same amounts."""
    read = json.loads(text)
    # zeep unwraps a response of one element.
    if "Soyad" in read:
        assert read["FIN"] == expected["fin"] and read["Soyad"] == expected["surname"], read
    else:
        months = read["Aylar"]["Ay_Melumati"]
        assert read["FIN"] == expected["fin"] and len(months) == len(expected["months"]), read
        for own, month in zip(months, expected["months"]):
            assert round(float(own["HesablanmisGelir"]) * 100) == month["gross_qapik"], own


def main(folder, number):
    for path in sorted(pathlib.Path(folder).glob("*.xml")):
        read = reader(HERE / (path.stem.split(",")[0] + ".wsdl"))
        content = path.read_bytes()
        check(read(content), json.loads(path.with_suffix(".json").read_bytes()))
        turns, all_iterations = [], 0
        for _ in range(TURNS):
            iterations, begin = 0, time.perf_counter()
            while (took := time.perf_counter() - begin) < TURN_SECONDS:
                read(content)
                iterations += 1
            turns.append(took * 1e9 / iterations)
            all_iterations += iterations
        print(f'{number},zeep,"{path.stem}",{len(content)},{all_iterations},{round(statistics.median(turns))}')


main(sys.argv[1], sys.argv[2])
