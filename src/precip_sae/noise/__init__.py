"""How far the study's figure moves when nothing that matters is changed."""
