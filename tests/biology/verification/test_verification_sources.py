"""Names of sources, and what the ids of a gene set file show."""

import pytest

from counterpoise.biology.enrichment import Library, load_library
from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.verification.sources import SOURCES, check_names, shown_sources, sources_of
from counterpoise.errors import UserError


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("HALLMARK_APOPTOSIS", {"hallmark"}),
        ("hallmark_apoptosis", {"hallmark"}),
        ("GOBP_DNA_REPAIR", {"go-bp"}),
        ("GO_CC_NUCLEUS", {"go-cc"}),
        ("GOMF_KINASE_ACTIVITY", {"go-mf"}),
        ("GO:0006281", {"go-bp"}),
        ("DNA repair (GO:0006281)", {"go-bp"}),
        ("nucleus (GO:0005634)", {"go-cc"}),
        ("GO:9999999", {"go-bp", "go-cc", "go-mf"}),
        ("KEGG_APOPTOSIS", {"kegg"}),
        ("hsa04115", {"kegg"}),
        ("REACTOME_APOPTOSIS", {"reactome"}),
        ("Cell Cycle R-HSA-1640170", {"reactome"}),
        ("WP1742", {"wikipathways"}),
        ("WP_APOPTOSIS", {"wikipathways"}),
        ("cluster 7", set()),
        ("MY_HALLMARKS", set()),
    ],
)
def test_ids_show_their_source(name, source):
    assert shown_sources([name]) == source


def test_a_file_of_several_sources_shows_them_all():
    assert shown_sources(["HALLMARK_A", "x", "GO:0006281"]) == {"hallmark", "go-bp"}


def test_an_embedded_library_is_its_own_source_and_a_file_its_name_and_what_it_shows():
    assert sources_of(load_library("wikipathways")) == {"wikipathways"}
    library = Library.from_sets("mine", "mine", [GeneSet("HALLMARK_A", ("TP53", "MDM2"))])
    assert sources_of(library) == {"mine", "hallmark"}
    named = Library.from_sets("mine", "mine", [GeneSet("s1", ("TP53", "MDM2"), "DNA repair (GO:0006281)")])
    assert sources_of(named) == {"mine", "go-bp"}


def test_masks_are_checked():
    assert check_names(["go-bp", "mine"], ["mine"]) == {"go-bp", "mine"}
    with pytest.raises(UserError, match=r"masked source 'gobp' is not known \(did you mean 'go-bp'\?\)"):
        check_names(["gobp"])
    with pytest.raises(UserError, match="'mine' is not known"):
        check_names(["mine"])


def test_every_source_says_what_it_is():
    assert all(SOURCES.values())
