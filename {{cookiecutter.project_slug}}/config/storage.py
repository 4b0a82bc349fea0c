"""Static files as production serves them: compressed, and cached for ever under a hashed name."""

from servestatic.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Names with a hash for all that is collected, modules that others import among them."""

    support_js_module_import_aggregation = True

    def stored_name(self, name: str) -> str:
        """The name with its hash; the bare one if nothing is collected, so that the page works."""
        return super().stored_name(name) if self.hashed_files else name
