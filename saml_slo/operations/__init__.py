"""What operators do, apart from where they do it: the command line and the console both stand on this part.

Owns finding sessions by index, the preview and the carrying out of a forced logout, deliveries that wait, drafts of
files under metadata/ with what the registry would say of them, the stages of a key rollover, bundles, and the reader of
SimpleSAMLphp's metadata. Owns no words on a screen and no exit codes (cli/, web/), and decides nothing that the roads
below decide. Nothing here scans the store.
"""
