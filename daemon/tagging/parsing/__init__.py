"""Everything that parses the bytes of sound files for their tags; only worker processes import it.

`tag_requests` answers the requests of the service: it plans an edit (`edit_plan`, on an
`edited_file` in memory, described briefly by `delta`), and proves a finished copy (`proof`).
"""
