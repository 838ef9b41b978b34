"""The embedded tables stay small, name nothing that is not there, and the build script gives them again."""

import gzip
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from counterpoise.biology.identifiers import load_genes
from counterpoise.biology.ontology import load_ontology
from counterpoise.biology.tables import rows

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "src" / "counterpoise" / "biology" / "tables"
TABLES = ("genes", "go_annotations", "go_terms", "wikipathways")


def test_tables_stay_small() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.gz")) == [f"{name}.tsv.gz" for name in TABLES]
    assert sum(path.stat().st_size for path in FOLDER.glob("*.gz")) < 3_000_000


def test_every_gene_and_term_named_is_there() -> None:
    genes, ontology = load_genes(), load_ontology()
    annotated = [symbol for symbol, _ in rows("go_annotations.tsv.gz", "symbol", "annotations")]
    pathways = {pathway: cell.split("|") for pathway, _, cell in rows("wikipathways.tsv.gz", "id", "name", "genes")}
    assert len(annotated) == 20_664
    assert len(pathways) == 746
    assert all(symbol in genes for symbol in annotated)
    assert all(symbol in genes for members in pathways.values() for symbol in members if symbol)
    assert all(go_id in ontology.terms for symbol in annotated for go_id, _ in ontology.of_gene(symbol))
    for regulates in (False, True):
        assert all(ontology.parents(term, regulates=regulates) <= ontology.terms.keys() for term in ontology.terms)


def test_mitochondrial_genes_of_pathways_kept_their_meaning() -> None:
    """NCBI's COX2 is MT-CO2; in HGNC the name is an alias of PTGS2, too."""
    pathways = {pathway: cell.split("|") for pathway, _, cell in rows("wikipathways.tsv.gz", "id", "name", "genes")}
    chain = pathways["WP111"]  # electron transport chain
    assert {"MT-CO1", "MT-CO2", "MT-ND1"} <= set(chain)
    assert not {"PTGS1", "PTGS2", "IVNS1ABP"} & set(chain)


def test_a_header_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"wikipathways.tsv.gz: the header is .* expected the columns id, genes"):
        list(rows("wikipathways.tsv.gz", "id", "genes"))


@pytest.mark.shared
def test_the_build_script_gives_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(os.environ.get("COUNTERPOISE_DATA", ROOT.parent / "shared" / "data"))
    spec = importlib.util.spec_from_file_location("build_biology", ROOT / "tools" / "build_biology.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(ROOT / "tools")
    spec.loader.exec_module(module)
    if not all((data / needed).is_file() for needed in module.NEEDED):
        pytest.skip(f"go/, hgnc/ and wikipathways/ are not in {data}")
    monkeypatch.setattr(sys, "argv", ["build_biology.py", "--data", str(data), "--output", str(tmp_path)])
    module.main()
    for name in TABLES:
        built = gzip.decompress((tmp_path / f"{name}.tsv.gz").read_bytes())  # not every zlib packs alike
        assert built == gzip.decompress((FOLDER / f"{name}.tsv.gz").read_bytes()), name


def test_the_build_script_says_what_is_missing(tmp_path: Path) -> None:
    script = ROOT / "tools" / "build_biology.py"
    done = subprocess.run([sys.executable, script, "--data", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no hgnc/hgnc.tsv.gz in it" in done.stderr
