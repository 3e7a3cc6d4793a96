"""What the file is called in which a run keeps its config; for those who only ask for the name."""

CONFIG_FILE = "ftkit.yaml"
