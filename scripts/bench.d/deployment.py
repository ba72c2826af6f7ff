"""deployment.py HOME PORT: makes the demonstration's deployment in HOME one to be measured.

- No limit of its own is what is measured: quotas, calls at once, breakers and cache are set so high that
  they never act. They stay in the way of every call.
- Beside the real agencies stand synthetic ones, played by one nginx from PORT on, with up to fifteen services
  of about 1 KB of JSON: `prompt` answers at once, `usual` after the catalogue's median latencies, `hung` never,
  and three `slow` ones after half a minute, over HTTP/2. Services 13 to 15 ask with a code that another answered.
- `azerishiq/subscriber` is played by the same nginx on the port before PORT.
- The dossiers `bench-8` and `bench-15` ask `prompt`, `usual-8` and `usual-15` `usual`; `hung-8` has the hung
  one for its eighth.
"""

import json
import pathlib
import re
import sys

HOME, PORT = pathlib.Path(sys.argv[1]), int(sys.argv[2])
SERVICES = [f"s{number:02}" for number in range(1, 16)]
# Each with its port, from PORT on, and its services.
PROVIDERS = {
    "prompt": (0, SERVICES),
    "usual": (1, SERVICES),
    "hung": (2, ["s08"]),
    "slow": (3, ["s01"]),
    "slow-b": (3, ["s01"]),
    "slow-c": (3, ["s01"]),
}
QUOTA = "{per_second: 100000, burst: 100000}"
# The second wave: which service's code each asks with.
CODE_OF = {"s13": "s02", "s14": "s12", "s15": "s12"}

SERVICE = """\
service: {provider}/{service}@1.0.0
name: {{az: Ölçmə üçün xidmət, en: A service to measure with}}
legal_reference: "634/4.1.17"
agreement: {{number: BENCH-1, signed_on: 2026-01-15, valid_until: 2028-01-14}}
route: {{via: direct, reason: "synthetic, for measuring"}}
subject: [fin]
input:
  number: {{type: text, need: optional}}
{code}confirms: {{holder_fin: subject.fin}}
absence: unknown
lifetime: {lifetime}
quota: {quota}
timeout: 60s
retry: never
capture: digest
fields:
  code: {{type: text, class: C}}
  holder_fin: {{type: fin, class: C}}
  address_text: {{type: text, class: C}}
  active: {{type: bool, class: C}}
  "months[]": {{max: 12}}
  "months[].month": {{type: month, class: C}}
  "months[].quantity_kwh": {{type: decimal, class: C, unit: kWh}}
  "months[].charged_qapik": {{type: money, class: C}}
  "months[].paid_qapik": {{type: money, class: C}}
  "months[].estimated": {{type: bool, class: C}}
  balance_qapik: {{type: money, class: C}}
"""

MAPPING = """\
mapping: {provider}/{service}@1.0.0
wire: {{protocol: rest-json}}
request:
  method: GET
  path: [{service}]
  query:
    - {{to: fin, value: subject.fin}}
    - {{to: n, value: input.number, if: present}}
{code}response:
  outcome:
    - {{when: {{status: [5xx, 429]}}, is: UNAVAILABLE}}
    - {{when: {{status: 404, exists: xeta}}, is: NOT_FOUND}}
    - {{when: {{status: 200, exists: kod}}, is: FOUND}}
  fields:
    code: {{from: kod, as: text}}
    holder_fin: {{from: sahib_fin, as: text}}
    address_text: {{from: unvan, as: text, steps: [collapse]}}
    active: {{from: aktiv, as: bool}}
    balance_qapik: {{from: qaliq, as: money}}
    months:
      each: hesablamalar
      max: 12
      fields:
        month: {{from: ay, as: month}}
        quantity_kwh: {{from: serfiyyat, as: decimal}}
        charged_qapik: {{from: hesablanib, as: money}}
        paid_qapik: {{from: odenilib, as: money}}
        estimated: {{from: teqribi, as: bool}}
examples:
  - {{answer: ok.answer.json, expect: ok.json}}
  - {{answer: none.answer.json, status: 404, expect: {{outcome: NOT_FOUND, undeclared: 0}}}}
  - {{status: 503, expect: {{outcome: UNAVAILABLE}}}}
"""


BODY = (pathlib.Path(__file__).parent / "body.json").read_text().replace("$arg_fin", "0000AAO")


def read(body):
    """The body as the mapping reads it."""
    months = [
        {
            "month": month["ay"],
            "quantity_kwh": month["serfiyyat"],
            "charged_qapik": round(month["hesablanib"] * 100),
            "paid_qapik": round(month["odenilib"] * 100),
            "estimated": month["teqribi"],
        }
        for month in body["hesablamalar"]
    ]
    return {
        "code": body["kod"],
        "holder_fin": body["sahib_fin"],
        "address_text": body["unvan"],
        "active": body["aktiv"],
        "months": months,
        "balance_qapik": round(body["qaliq"] * 100),
    }


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def service(provider, name):
    code = CODE_OF.get(name)
    asked = f"  code: {{type: text, need: optional, comes_from: {provider}/{code}.code}}\n" if code else ""
    query = "    - {to: kod, value: input.code, if: present}\n" if code else ""
    # What is asked for a dossier is always asked of the source.
    contract = SERVICE.format(provider=provider, service=name, code=asked, lifetime="0s", quota=QUOTA)
    write(HOME / f"contracts/providers/{provider}/{name}@1.0.0.yaml", contract)
    write(HOME / f"mappings/{provider}/{name}@1.0.0.yaml", MAPPING.format(provider=provider, service=name, code=query))
    examples = HOME / f"mappings/{provider}/examples/{name}"
    write(examples / "ok.answer.json", BODY)
    write(examples / "ok.json", json.dumps({"outcome": "FOUND", "undeclared": 0, "fields": read(json.loads(BODY))}))
    write(examples / "none.answer.json", '{"xeta": "yoxdur"}')


def dossier(name, services, deadline):
    elements = []
    for place in services:
        code = CODE_OF.get(place.split("/")[1])
        asked = f", input: {{code: {{answer: {code}.code}}}}" if code else ""
        elements.append(f"  {place.split('/')[1]}: {{service: {place}, for: [applicant], need: required{asked}}}\n")
    text = f"dossier: {name}@1.0.0\nname: {{az: Ölçmə üçün dosye, en: A dossier to measure with}}\n"
    text += f"purpose: adsy-means-test\ndeadline: {deadline}\ndue: 20s\nretry_every: 10s\nelements:\n{''.join(elements)}"
    write(HOME / f"contracts/dossiers/{name}@1.0.0.yaml", text)


for path in HOME.glob("contracts/**/*.yaml"):
    if "schema" not in path.parts:
        path.write_text(re.sub(r"^quota: .*$", f"quota: {QUOTA}", path.read_text(), flags=re.M))
for provider, (_, services) in PROVIDERS.items():
    write(HOME / f"contracts/providers/{provider}/provider.yaml", f'provider: {provider}\nname: {{az: Ölçmə, en: Measuring}}\nclause: "634/4.1.17"\n')
    for name in services:
        service(provider, name)
for provider, prefix in (("prompt", "bench"), ("usual", "usual")):
    for count in (8, 15):
        dossier(f"{prefix}-{count}", [f"{provider}/{name}" for name in SERVICES[:count]], "20s")
dossier("hung-8", [f"prompt/{name}" for name in SERVICES[:7]] + ["hung/s08"], "2s")

# The cached fact: the subscriber's contract lets it be kept for a week.
consumer = HOME / "contracts/consumers/targeted-aid.yaml"
grants = [
    f"  - service: {provider}/{name}\n    fields: all\n    purposes: [adsy-means-test]\n    acts: [law-targeted-aid]\n    roles: [case-officer]\n"
    for provider, (_, services) in PROVIDERS.items()
    for name in services
]
consumer.write_text(consumer.read_text().rstrip("\n") + "\n" + "".join(grants))

limits = "    limits: {calls_max: 4096, breaker: {calls_min: 1000000}}\n"
config = (HOME / "qovsaq.yaml").read_text()
config = re.sub(r"^    key: agencies/.*\n", lambda found: found.group(0) + limits, config, flags=re.M)
# The subscriber has a fixed body too.
config = re.sub(r"(  azerishiq:\n    url: ).*", rf"\g<1>https://127.0.0.1:{PORT - 1}", config)
config = config.replace("providers:\n", "cache: {bytes_max: 268435456}\nproviders:\n")
for provider, (offset, _) in PROVIDERS.items():
    config += (
        f"  {provider}:\n    url: https://127.0.0.1:{PORT + offset}\n    server_ca: agencies/ca.pem\n"
        f"    certificate: agencies/meis-towards-azerishiq.pem\n    key: agencies/meis-towards-azerishiq.key\n" + limits
    )
(HOME / "bench.yaml").write_text(config)
