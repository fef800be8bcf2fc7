"""Import of annotation tables and rated corpora."""
