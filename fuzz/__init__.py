"""What reads files of strangers, fed with damaged and hostile ones."""
